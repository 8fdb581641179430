"""A guest's command line, and how its end is read; the machine itself is played by small programs named as QEMU is."""

import os
import tempfile
import threading
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from guests import kernel, machine

FILES = kernel.Files("6.1.0-1-amd64", Path("/k/vmlinuz"), Path("/k/lib"), Path("/k/initramfs.gz"))
SHARES = (machine.Share("results", Path("/out"), "/results", writable=True),)
MACHINE = machine.Machine(FILES, Path("/root-of-guest"), SHARES)


class Guest(unittest.TestCase):
    """Runs a script in the place of QEMU."""

    def ran(self, script, limit=20, booting=20, over=None):
        with tempfile.TemporaryDirectory() as folder:
            qemu, console, pid = (Path(folder) / name for name in (machine.QEMU, "console.log", "pid"))
            qemu.write_text(f"#!/bin/sh\necho $$ >{pid}\n{script}\n")
            qemu.chmod(0o755)
            before = os.environ["PATH"]
            os.environ["PATH"] = f"{folder}:{before}"
            try:
                said = machine.run(MACHINE, console, limit, booting, over)
            finally:
                os.environ["PATH"] = before
                if pid.exists():
                    with self.assertRaises(ProcessLookupError):
                        os.kill(int(pid.read_text()), 0)
            return said

    def test_one_that_powers_off_after_its_job_has_no_trouble(self):
        self.assertIsNone(self.ran(f"echo {machine.MARK}"))

    def test_one_that_hangs_in_its_job_is_ended(self):
        self.assertEqual(self.ran(f"echo {machine.MARK}; exec sleep 60", limit=1),
                         "had not ended after 1 seconds, and was ended")

    def test_one_that_never_boots_is_ended(self):
        self.assertEqual(self.ran("exec sleep 60", booting=1), "had not booted after 1 seconds, and was ended")

    def test_a_panic_is_told_in_the_kernels_words(self):
        said = self.ran("echo '[ 1.2] Kernel panic - not syncing: VFS: Unable to mount root fs'")
        self.assertEqual(said, "its kernel panicked: VFS: Unable to mount root fs")

    def test_a_complaint_of_qemu_is_told(self):
        self.assertEqual(self.ran("echo 'no such fsdev' >&2; exit 1"), "QEMU ended with 1: no such fsdev")

    def test_one_that_floods_its_console_is_ended(self):
        with mock.patch.object(machine, "LARGEST", 1 << 20):
            self.assertEqual(self.ran(f"echo {machine.MARK}; yes | head -c 2M; exec sleep 60"),
                             "had written more than 1 MiB to its console, and was ended")

    def test_one_is_ended_once_that_is_wanted(self):
        over = threading.Event()
        over.set()
        with self.assertRaises(machine.Interrupted):
            self.ran(f"echo {machine.MARK}; exec sleep 60", over=over)

    def test_one_that_ends_in_silence_has_not_booted(self):
        self.assertEqual(self.ran("true"), "ended before it had booted")


class Command(unittest.TestCase):
    def test_all_but_the_results_is_shared_read_only(self):
        devices = [word for word in MACHINE.command() if word.startswith("local,")]
        self.assertEqual([word.endswith("readonly=on") for word in devices], [True, True, False])

    def test_the_clock_of_one_that_counts_goes_by_instructions(self):
        self.assertNotIn("-icount", MACHINE.command())
        command = replace(MACHINE, counting=True).command()
        self.assertEqual(command[command.index("-icount") + 1], "shift=0,sleep=off")

    def test_a_kernel_that_is_broken_ends_it_and_a_slow_host_does_not(self):
        line = MACHINE.command()[MACHINE.command().index("-append") + 1].split()
        self.assertLessEqual({"panic=-1", "oops=panic", "softlockup_panic=1", "watchdog_thresh=60"}, set(line))

    def test_it_has_random_numbers_from_the_start(self):
        command = MACHINE.command()
        self.assertIn("+rdrand", command[command.index("-cpu") + 1])

    def test_the_guest_is_told_what_to_mount_where(self):
        line = MACHINE.command()[MACHINE.command().index("-append") + 1]
        self.assertIn("guest.shares=results:/results:rw", line)


if __name__ == "__main__":
    unittest.main()
