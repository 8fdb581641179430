"""Bad input and what is missing: one sentence, exit code 2, nothing left."""

import subprocess
import unittest
from pathlib import Path

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


def said(*words, **options):
    done = subprocess.run([str(KERNELS), *words], capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stderr.strip()


class Refusals(unittest.TestCase):
    def test_an_unknown_version_lists_what_there_is(self):
        self.assertEqual(said("4.19"), (2, "ci/kernels: there is no kernel 4.19: there are 5.10, 6.1, 6.12, newest"))
        self.assertEqual(said("--shell", "4.19")[0], 2)

    def test_an_unknown_userland_lists_what_there_is(self):
        code, text = said("--userland", "buster", "6.1")
        self.assertEqual(code, 2)
        self.assertIn("there is no userland buster: there are bullseye, ", text)


if __name__ == "__main__":
    unittest.main()
