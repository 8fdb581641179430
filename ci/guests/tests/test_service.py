"""The two boots of the service's guest, played by small programs."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guests import collecting, machine, service
from guests.tests import fakes
from guests.tests.test_machine import MACHINE
from trouble import Trouble


class Service(unittest.TestCase):
    def tried(self, boots, limit=600, mke2fs="exit 0"):
        """What is said, which limits the boots got, and what is left in the folder."""
        limits = []

        def boot(_, console, limit):
            limits.append(limit)
            console.write_text("booted\n")
            return boots[len(limits) - 1]

        with tempfile.TemporaryDirectory() as name, fakes.programs({"mke2fs": mke2fs}), mock.patch.object(machine, "run", boot):
            folder = Path(name)
            try:
                said = service.tried(MACHINE, folder, Path("/repository"), Path("/tproxy"), limit)
            except Trouble as trouble:
                said = str(trouble)
            self.assertFalse((folder / "disk").exists())
            return said, limits, (folder / "console.log").read_text()

    def test_both_boots_share_the_limit(self):
        with mock.patch.object(service.time, "monotonic", side_effect=[0, 0, 400]):
            self.assertEqual(self.tried((None, None)), (None, [600, 200], "booted\nbooted\n"))

    def test_after_a_failed_boot_there_is_no_other(self):
        self.assertEqual(self.tried(("its kernel panicked: so",))[0::2], ("its kernel panicked: so", "booted\n"))

    def test_its_last_line_demands_all_checks_of_both_boots(self):
        script = (service.HERE / "job").read_text()
        checks = re.findall(r"^ +passes (\w+) ", script, re.MULTILINE)
        self.assertEqual(len(checks), len(set(checks)))
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "job"
            # That line alone is run, of a script that holds them all.
            last = next(line for line in script.splitlines() if "test result: " in line)
            file.write_text(f"results=/dev/stdout\n{last}\nexit\n{script}")
            said = subprocess.run(["bash", str(file)], capture_output=True, text=True, check=True).stdout
        self.assertEqual(collecting.ENDING.search(said)["checks"], str(len(checks)))

    def test_without_a_file_system_no_disk_is_left(self):
        said, limits, _ = self.tried((), mke2fs="echo 'No space left on device' >&2; exit 1")
        self.assertEqual((said, limits), ("cannot make a file system for the guest: mke2fs says: No space left on device", []))


if __name__ == "__main__":
    unittest.main()
