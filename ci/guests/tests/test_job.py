"""A guest's job: every kind of it is a shell script that ends with the machine."""

import subprocess
import unittest
from pathlib import Path

from guests import job, matrix

USERLAND = matrix.own(matrix.KERNELS[0])
PROGRAMS = Path("/programs")


class Job(unittest.TestCase):
    def test_each_is_a_script_whose_last_deed_is_to_power_off(self):
        for text in (
            job.script(Path("/repository"), PROGRAMS, USERLAND, ["a::ebpf::ipv4"]),
            job.script(Path("/repository"), PROGRAMS, USERLAND, ()),
            job.shell(Path("/repository"), PROGRAMS, USERLAND),
            job.commands(Path("/repository"), USERLAND, ["true"]),
        ):
            checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))
            self.assertIn("/proc/sysrq-trigger", text.strip().splitlines()[-1])


if __name__ == "__main__":
    unittest.main()
