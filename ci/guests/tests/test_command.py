"""Bad input and what is missing: one sentence, exit code 2, nothing left."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guests import command, matrix
from guests.results import Result

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


class Conclusions(unittest.TestCase):
    def test_a_variant_skipped_everywhere_is_a_failure_unless_only_userlands_ran_that_lack_something(self):
        result = Result("6.1", "nft-only", "smoke", passed=["x"], skipped={"y": "no program"})
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(command, "CACHE", Path(folder)), mock.patch("builtins.print"):
            (Path(folder) / "results").mkdir()
            self.assertEqual(command.concluded([result], whole=True), 1)
            self.assertEqual(command.concluded([result], whole=False), 0)

    def test_a_userland_is_whole_unless_something_was_taken_from_it(self):
        whole = [userland.name for userland in matrix.USERLANDS if userland.is_whole()]
        self.assertEqual(whole, ["bullseye", "trixie", "forky"])


if __name__ == "__main__":
    unittest.main()
