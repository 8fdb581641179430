"""No interruption leaves a process or half of a folder behind."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from pathlib import Path

from guests import machine
from guests.files import alone, made_whole
from guests.tests import fakes, skips
from trouble import Trouble, end_as_by_ctrl_c

CI = Path(__file__).resolve().parents[2]
# What another run of these tests has not.
MARK = os.getpid()
# Interrupted as ci/kernels is.
BEGINNING = f"""
import sys
sys.path.insert(0, {str(CI)!r})
from guests import apt, machine, root
from guests.tests.test_machine import MACHINE
from pathlib import Path
from trouble import end_as_by_ctrl_c, run
from unittest import mock
import signal
# A script in the background has them ignored, and so has what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
for each in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(each, signal.SIG_DFL)
end_as_by_ctrl_c()
"""


class Interrupted(unittest.TestCase):
    def ended(self, script, mark, number, **options):
        """Begins the script, sends it the signal once a process with the mark is there, and waits until all have ended."""
        with subprocess.Popen([sys.executable, "-B", "-c", BEGINNING + script], stderr=subprocess.PIPE, **options) as process:
            wait_until(lambda: set(fakes.running(mark)) - {process.pid})
            process.send_signal(number)
            try:
                _, said = process.communicate(timeout=20)
            finally:
                process.kill()
        self.assertNotEqual(process.returncode, 0, said)
        wait_until(lambda: not fakes.running(mark))

    def test_what_a_program_started_ends_with_it(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.ended(f"run(['sh', '-c', 'sleep 6543.{MARK} & wait'], 'sleep')", f"6543.{MARK}", number)

    def test_a_guest_ends_with_a_program_that_is_killed(self):
        with fakes.programs({machine.QEMU: f"exec sleep 6544.{MARK}"}) as folder:
            self.ended(f"machine.run(MACHINE, Path({str(folder / 'console.log')!r}), 60)", f"6544.{MARK}", signal.SIGKILL)

    def test_a_shell_that_is_ended_leaves_the_terminal_as_it_was(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            qemu = f"trap 'touch $0-ended; kill $!; exit' TERM; stty raw -echo; sleep 6545.{MARK} >/dev/null 2>&1 & wait"
            master, slave = pty.openpty()
            try:
                before = termios.tcgetattr(slave)
                with fakes.programs({machine.QEMU: qemu}) as folder:
                    self.ended("machine.enter(MACHINE)", f"6545.{MARK}", number, stdin=slave)
                    self.assertTrue((folder / f"{machine.QEMU}-ended").exists())
                self.assertEqual(termios.tcgetattr(slave), before)
            finally:
                for left in fakes.running(f"6545.{MARK}"):
                    os.kill(left, signal.SIGKILL)
                os.close(master)
                os.close(slave)

    @skips.unless(os.geteuid() == 0, "not root: it makes namespaces")
    def test_a_root_that_is_half_made_is_removed_with_all_that_makes_it(self):
        # It has a session of its own, as what a package's script starts may have, and ignores signals.
        busy = "while :; do echo more >>$draft/file; sleep 0.01; done"
        script = f"touch $TMPDIR/file; for draft; do case $draft in */.*) break ;; esac; done\n" \
            f"setsid sh -c 'trap \"\" INT TERM HUP; draft=$1; {busy}' busy-{MARK} $draft & wait"
        with fakes.programs({"mmdebstrap": script}), tempfile.TemporaryDirectory() as cache:
            self.ended("apt.options, apt.source = lambda: [], lambda suite: 'deb'\n"
                       f"root.folder('bookworm', Path({cache!r}))", f"busy-{MARK}", signal.SIGTERM)
            self.assertEqual(os.listdir(cache), [])


class Ignored(unittest.TestCase):
    def test_a_signal_that_is_ignored_stays_so(self):
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            end_as_by_ctrl_c()
            self.assertEqual(signal.getsignal(signal.SIGHUP), signal.SIG_IGN)
            self.assertTrue(callable(signal.getsignal(signal.SIGTERM)))
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


class Leftovers(unittest.TestCase):
    def test_what_a_killed_run_left_is_removed_by_the_next(self):
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / ".root-abcdefgh/etc").mkdir(parents=True)
            with made_whole(Path(name) / "root") as draft:
                (draft / "file").touch()
            self.assertEqual(os.listdir(name), ["root"])

    def test_a_second_run_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            with alone(Path(name)):
                with self.assertRaisesRegex(Trouble, f"another run uses {name}"):
                    with alone(Path(name)):
                        pass
            with alone(Path(name)):
                pass


def wait_until(condition):
    """Waits ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come to that")
        time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
