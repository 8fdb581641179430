"""Bad input and what is missing: one sentence, exit code 2, nothing left."""

import contextlib
import errno
import io
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path
from unittest import mock

from guests import attempt, command, kernel, machine, matrix, needs, options, recording, results
from guests.files import made_whole
from guests.machine import Machine
from guests.results import Result
from guests.tests import fakes, skips
from trouble import Trouble

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


def said(*words):
    """The exit code and what is said of a refusal, with a cache whose report is of an earlier run, and shall be gone."""
    with tempfile.TemporaryDirectory() as name, mock.patch.object(command, "CACHE", Path(name)), \
            contextlib.redirect_stderr(io.StringIO()) as stderr:
        report = Path(name) / "results/junit.xml"
        report.parent.mkdir()
        report.touch()
        try:
            code = command.main(words)
        except SystemExit as end:
            code = end.code
        assert report.exists() == ("--shell" in words), "the report of an earlier run is left by that which is refused"
    return code, stderr.getvalue().strip()


class Refusals(unittest.TestCase):
    def test_it_is_a_program(self):
        done = subprocess.run([str(KERNELS), "--help"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("machines of x86_64 alone", done.stdout)

    def test_help_leaves_the_report_of_an_earlier_run(self):
        with mock.patch.object(command, "forgotten") as forgotten, contextlib.redirect_stdout(io.StringIO()):
            with self.assertRaises(SystemExit):
                command.main(("--help",))
        forgotten.assert_not_called()

    def test_an_unknown_version_lists_what_there_is(self):
        self.assertEqual(said("4.19"), (2, "ci/kernels: there is no kernel 4.19: there are 5.10, 6.1, 6.12, newest"))
        self.assertEqual(said("--shell", "4.19")[0], 2)

    def test_options_that_do_not_go_together_are_refused(self):
        self.assertEqual(said("--tests", "--only", "dns"),
                         (2, "ci/kernels: --only chooses among all scenarios, and runs no test: it goes without --tests"))

    def test_an_unknown_userland_lists_what_there_is(self):
        code, text = said("--userland", "buster", "6.1")
        self.assertEqual(code, 2)
        self.assertIn("there is no userland buster: there are bullseye, bookworm, ", text)

    def test_each_suite_of_a_kernel_is_a_userland_for_every_kernel_and_its_own_is_no_other(self):
        for kernel_ in matrix.KERNELS:
            for suite in (other.suite for other in matrix.KERNELS):
                self.assertEqual(command.guest(kernel_.name, suite)[1].suite, suite)
            names = [userland.name for _, userland in command.guests(options.checked(options.parser().parse_args(
                ("--userlands", kernel_.name))))]
            self.assertEqual(len(names), len(matrix.USERLANDS) - 1)
            self.assertNotIn(kernel_.suite, names)

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

    def booted(self, xml_="<testsuite><testcase name='outbound/default::ebpf::ipv4'/></testsuite>"):
        """Plays a guest that leaves this."""
        def run(made, console, limit, over):
            console.parent.joinpath("scenarios.xml").write_text(xml_)
            console.parent.joinpath("kernel.log").write_text("Linux version 6.1")
            console.parent.joinpath("code").write_text("0")
        return mock.patch.object(machine, "run", run)

    def test_what_was_told_to_run_and_did_not_is_trouble(self):
        for left, code in (({}, 0), ({"xml_": "<testsuite><testcase name='a::ebpf::ipv4'/></testsuite>"}, 1)):
            with tempfile.TemporaryDirectory() as name, self.booted(**left):
                self.assertEqual(self.ran(Path(name), "6.1", "--only", "x")[0], code)

    def test_guests_whose_results_cannot_be_kept_were_run_all_the_same(self):
        full = OSError(errno.ENOSPC, "No space left on device", "/x")
        for broken in ((results, "junit"), (recording, "record")):
            with tempfile.TemporaryDirectory() as name, self.booted(), mock.patch.object(*broken, side_effect=full), \
                    mock.patch.object(recording, "about", return_value={}), mock.patch.object(command.build, "released"):
                words = ("6.1", "--only", "x") if broken[1] == "junit" else ("6.1", "--smoke", "--record")
                with mock.patch.dict(matrix.SETS, {"smoke": ()}):
                    code, text, _ = self.ran(Path(name), *words)
                self.assertEqual(code, 1, text)
                self.assertIn("ci/kernels: /x: No space left on device\n", text)

    def test_what_a_userland_lacks_is_skipped_with_the_reason(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(command, "run", return_value="a::ebpf::ipv4 a::ebpf::ipv6"), \
                self.booted("<testsuite><testcase name='a::ebpf::ipv4'/></testsuite>"):
            code, text, _ = self.ran(Path(name), "6.1", "--only", "x", "--userland", "no-ipv6")
        self.assertEqual(code, 0, text)
        self.assertIn("6.1 with no-ipv6: 1 passed, 0 failed, 1 skipped", text)

    def test_guests_have_ended_when_an_interruption_says_so(self):
        begun = threading.Event()

        def interrupt():
            begun.wait(10)
            os.kill(os.getpid(), signal.SIGINT)

        ended = []

        def run(made, console, limit, over):
            begun.set()
            self.assertTrue(over.wait(10))
            time.sleep(0.2)
            ended.append(console)
            raise machine.Interrupted

        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with tempfile.TemporaryDirectory() as name, mock.patch.object(machine, "run", run):
                interrupting = threading.Thread(target=interrupt)
                interrupting.start()
                with mock.patch("builtins.print", lambda *words, **_: ended.append(words[0])):
                    code, _, cases = self.ran(Path(name), "6.1", "--only", "x")
                interrupting.join()
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
        self.assertEqual(code, 130)
        self.assertEqual(ended[-1], "ci/kernels: interrupted; its guests were ended")
        self.assertEqual(len(ended), 2)
        self.assertEqual(cases, {"6.1-bookworm": "has no result"})

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
        self.assertEqual(whole, ["bullseye", "bookworm", "trixie", "forky"])


if __name__ == "__main__":
    unittest.main()
