"""Bad input and what is missing: one sentence, exit code 2, nothing left."""

import contextlib
import errno
import io
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from unittest import mock

from guests import attempt, command, kernel, machine, matrix, needs
from guests.files import made_whole
from guests.machine import Machine
from guests.results import Result
from guests.tests import fakes, skips
from trouble import Trouble

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


def said(*words, **options):
    done = subprocess.run([str(KERNELS), *words], capture_output=True, text=True, check=False, **options)
    return done.returncode, done.stderr.strip()


class Refusals(unittest.TestCase):
    def test_an_unknown_version_lists_what_there_is(self):
        self.assertEqual(said("4.19"), (2, "ci/kernels: there is no kernel 4.19: there are 5.10, 6.1, 6.12, newest"))
        self.assertEqual(said("--shell", "4.19")[0], 2)

    def test_options_that_do_not_go_together_are_refused(self):
        self.assertEqual(said("--tests", "--only", "dns"),
                         (2, "ci/kernels: --only chooses among all scenarios, and runs no test: it goes without --tests"))

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

    @skips.unless(os.geteuid() == 0, "not root: it mounts a disk that is full")
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
        for program, package in needs.PROGRAMS.items():
            there = {name for name in needs.PROGRAMS if name != program}
            with tempfile.TemporaryDirectory() as name, mock.patch.object(needs, "root"), mock.patch.object(needs, "processor"), \
                    mock.patch.object(needs.shutil, "which", lambda asked: asked if asked in there else None):
                code, text = self.told("6.1", folder=Path(name) / "cache")
                self.assertEqual(code, 2)
                self.assertIn(f"there is no {program}; install {package}; ci/setup kernels installs", text)
                self.assertEqual(os.listdir(name), [])

    def test_a_folder_that_guests_cannot_be_told_of_is_refused(self):
        for wrong in ("/a b", "/a,b", "/a:b"):
            with mock.patch.object(needs, "root"), mock.patch.object(needs, "processor"), \
                    mock.patch.object(command, "REPOSITORY", Path(wrong)), tempfile.TemporaryDirectory() as name:
                code, text = self.told("6.1", folder=Path(name) / "cache")
                self.assertEqual(code, 2)
                self.assertIn(f"guests cannot be told of the folder {wrong}", text)
                self.assertEqual(os.listdir(name), [])

    def test_another_kind_of_processor_is_refused_before_anything_is_fetched(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(needs.platform, "machine", return_value="aarch64"), \
                mock.patch.object(command.build, "programs", side_effect=Trouble("it would build")):
            self.assertEqual(self.told("6.1", folder=Path(name) / "cache"),
                             (2, "ci/kernels: guests run on x86_64 alone, and this machine is aarch64"))
            self.assertEqual(os.listdir(name), [])

    def test_the_working_folder_is_not_searched_for_programs(self):
        for before in ({}, {"PATH": ""}):
            with mock.patch.dict(os.environ, before), mock.patch.object(command, "several", return_value=0):
                if not before:
                    del os.environ["PATH"]
                command.main(("6.1",))
                self.assertNotIn("", os.environ["PATH"].split(os.pathsep))


class Runs(unittest.TestCase):
    """Whole runs, whose guests are small programs named as QEMU is."""

    def ran(self, folder, *words, qemu="exit 1", **made):
        """The exit code, what was printed, and the cases of the report."""
        netsim = folder / "programs/netsim"
        netsim.parent.mkdir()
        netsim.write_text("#!/bin/sh\necho outbound/default::ebpf::ipv4\n")
        netsim.chmod(0o755)
        report = folder / "cache/results/junit.xml"
        report.parent.mkdir(parents=True)
        report.write_text("of an earlier run")
        guest = Machine(kernel.Files("", Path("k"), Path("k"), Path("k")), Path("r"), ())
        made = {"prepared": mock.Mock(return_value=guest), **made}
        with fakes.programs({machine.QEMU: qemu}), contextlib.ExitStack() as stack:
            for name, value in {"CACHE": folder / "cache", **made}.items():
                stack.enter_context(mock.patch.object(command, name, value))
            stack.enter_context(mock.patch.object(command.needs, "met"))
            stack.enter_context(mock.patch.object(command.build, "programs", return_value=netsim.parent))
            out = stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(contextlib.redirect_stderr(out))
            code = command.main(words)
        cases = {case.get("classname"): case.find("error").get("message") for case in xml.parse(report).iter("testcase")
                 if case.find("error") is not None} if report.exists() else None
        return code, out.getvalue(), cases

    def test_a_fault_beside_one_guest_is_its_trouble_and_the_other_goes_on(self):
        def booted(made, console, limit, over):
            if "5.10" in str(console):
                raise OSError(errno.ENOSPC, "No space left on device")
            return "hung"

        with tempfile.TemporaryDirectory() as name, mock.patch.object(machine, "run", booted):
            code, text, cases = self.ran(Path(name), "5.10", "6.1", "--only", "x")
        self.assertEqual(code, 1, text)
        self.assertRegex(cases["5.10-bullseye"], "/5.10-bullseye: No space left on device$")
        self.assertEqual(cases["6.1-bookworm"], "hung; left no scenarios.xml: none of 1 variants is known to have run")

    def test_what_qemu_says_is_told_of_each_guest(self):
        with tempfile.TemporaryDirectory() as name:
            code, text, cases = self.ran(Path(name), "5.10", "6.1", "--only", "x", qemu="echo no such fsdev; exit 1")
        self.assertEqual(code, 1)
        self.assertEqual(set(cases), {"5.10-bullseye", "6.1-bookworm"})
        self.assertIn("QEMU ended with 1: no such fsdev", text)

    def test_where_nothing_could_be_run_no_earlier_report_is_left(self):
        with tempfile.TemporaryDirectory() as name:
            code, text, cases = self.ran(Path(name), "6.1", "--only", "x", prepared=mock.Mock(side_effect=Trouble("no mirror")))
        self.assertEqual((code, text), (2, "ci/kernels: no mirror\n"))
        self.assertEqual(cases, {"6.1-bookworm": "has no result: no mirror"})

    def test_a_name_that_no_variant_has_is_told(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(command, "run", return_value=""):
            self.assertEqual(self.ran(Path(name), "6.1", "--only", "x")[:2], (2, "ci/kernels: no variant's name contains x\n"))


class Conclusions(unittest.TestCase):
    def test_a_variant_skipped_everywhere_is_a_failure_unless_only_userlands_ran_that_lack_something(self):
        result = Result("6.1", "nft-only", "smoke", passed=["x"], skipped={"y": "no program"})
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(attempt.concluded([result], whole=True), 1)
            self.assertEqual(attempt.concluded([result], whole=False), 0)

    def test_a_userland_is_whole_unless_something_was_taken_from_it(self):
        whole = [userland.name for userland in matrix.USERLANDS if userland.is_whole()]
        self.assertEqual(whole, ["bullseye", "trixie", "forky"])


if __name__ == "__main__":
    unittest.main()
