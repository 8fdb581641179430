"""Bad input and what is missing: one sentence, exit code 2, nothing left."""

import contextlib
import errno
import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guests import command, matrix
from guests.files import made_whole
from guests.results import Result
from trouble import Trouble

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

    def test_numbers_start_from_one(self):
        for option in ("--jobs", "--limit"):
            for wrong in ("0", "-1", "x", ""):
                code, text = said(option, wrong, "6.1")
                self.assertEqual(code, 2)
                self.assertIn(f"argument {option}: `{wrong}` is not a whole number from 1", text)


class Faults(unittest.TestCase):
    """Each in one sentence that says what is missing, with nothing left behind."""

    def told(self, *words, folder):
        with mock.patch.object(command, "CACHE", folder), contextlib.redirect_stderr(io.StringIO()) as stderr:
            code = command.main(words)
        return code, stderr.getvalue().strip()

    def test_a_full_disk_is_named_by_the_file_that_did_not_fit(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(command, "several", side_effect=OSError(
                errno.ENOSPC, "No space left on device", "/x/job")):
            code, text = self.told(folder=Path(name))
            self.assertEqual((code, text), (2, "ci/kernels: /x/job: No space left on device"))

    @unittest.skipUnless(os.geteuid() == 0, "mounts a disk that is full")
    def test_what_is_fetched_to_a_full_disk_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as name:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", name], check=True)
            try:
                with self.assertRaisesRegex(Trouble, "No space left on device"):
                    with made_whole(Path(name) / "root") as draft:
                        (draft / "file").write_bytes(bytes(1 << 20))
                self.assertEqual(os.listdir(name), [])
            finally:
                subprocess.run(["umount", name], check=True)

    def test_without_a_program_its_package_is_named_and_nothing_is_built_or_fetched(self):
        for program, package in command.PROGRAMS.items():
            there = {name for name in command.PROGRAMS if name != program}
            with tempfile.TemporaryDirectory() as name, mock.patch.object(command, "needs_root"), \
                    mock.patch.object(command.shutil, "which", lambda asked: asked if asked in there else None):
                code, text = self.told("6.1", folder=Path(name) / "cache")
                self.assertEqual(code, 2)
                self.assertIn(f"there is no {program}; install {package}, or run ci/setup kernels", text)
                self.assertEqual(os.listdir(name), [])


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
