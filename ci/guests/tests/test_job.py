"""A guest's job: every kind of it is a shell script that ends with the machine."""

import os
import re
import subprocess
import unittest
from pathlib import Path

from guests import build, job, matrix
from guests.tests import fakes, skips

USERLAND = matrix.own(matrix.KERNELS[0])
PROGRAMS = Path("/programs")
TEST = build.Test("nodes", Path("/a folder/netsim"), Path("/a folder/nodes"), {"figures::": "they measure"})
SCRIPT = Path(__file__).resolve().parents[1] / "release-job"


class Job(unittest.TestCase):
    def test_each_is_a_script_whose_last_deed_is_to_power_off(self):
        for text in (
            job.script(Path("/repository"), PROGRAMS, USERLAND, ["a::ebpf::ipv4"]),
            job.script(Path("/repository"), PROGRAMS, USERLAND, ()),
            job.script(Path("/a folder"), Path("/its programs"), USERLAND, ["a::ebpf::ipv4"], [TEST], Path("/its/tproxy")),
            job.shell(Path("/repository"), PROGRAMS, USERLAND),
            job.commands(Path("/repository"), USERLAND, ["true"]),
        ):
            checked = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))
            self.assertIn("/proc/sysrq-trigger", text.strip().splitlines()[-1])

    def test_a_userland_that_cannot_be_made_ends_the_guest_whatever_command_it_was(self):
        for prelude, is_made in (("false\ntrue", False), ("true", True), ("", True)):
            lines = job._changed(matrix.Userland("x", "bookworm", "x", prelude))
            self.assertEqual(set(job.end()) <= set(lines), bool(prelude))
            # Without the last deed, which is to power off.
            harmless = "\n".join(line for line in lines if line not in job.end())
            ran = subprocess.run(["sh"], input=harmless, text=True, capture_output=True, check=False)
            self.assertEqual((job.UNCHANGED in ran.stdout, ran.stderr), (not is_made, ""))

    def test_words_of_the_host_are_quoted(self):
        text = job.script(Path("/a folder"), Path("/a folder/programs"), USERLAND, ["a::ebpf::ipv4"], [TEST], Path("/a folder/tproxy"))
        # Besides the quoted ones there are none.
        self.assertNotIn("/a folder", re.sub(r"'[^']*'", "", text))

    def test_tests_demand_backends_of_a_whole_userland_alone(self):
        for name, asked in (("no-ipv6", True), ("trixie", False)):
            userland = next(it for it in matrix.USERLANDS if it.name == name)
            text = job.script(Path("/r"), PROGRAMS, userland, (), [TEST])
            self.assertEqual("export NETSIM_REQUIRE=root\n" in text, asked)

    def test_what_its_kernel_says_is_kept_at_the_end(self):
        lines = job.script(Path("/r"), PROGRAMS, USERLAND, ["a::ebpf::ipv4"], [TEST]).splitlines()
        self.assertEqual(lines.index("dmesg >/results/kernel.log") + 1, lines.index("echo $code >/results/code"))

    def test_what_is_left_out_of_a_program_is_skipped_there(self):
        self.assertIn("--skip figures::", job.script(Path("/r"), PROGRAMS, USERLAND, (), [TEST]))

    def test_the_release_is_tried_before_all_else(self):
        text = job.script(Path("/r"), PROGRAMS, USERLAND, ["a::ebpf::ipv4"], (), Path("/r/tproxy"))
        self.assertLess(text.index("release-job /r/tproxy"), text.index("netsim run"))


@skips.unless(os.geteuid() == 0, "not root: it makes namespaces")
class Release(unittest.TestCase):
    """The script that tries what ci/release makes, with a program that does nothing right."""

    def test_what_does_not_work_is_told(self):
        done = subprocess.run(["unshare", "--net", "--mount", "sh", str(SCRIPT), "false"], text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("test it_installs ... FAILED\n", done.stdout)
        self.assertRegex(done.stdout.splitlines()[-1], r"^test result: .* 3 passed; 11 failed$")
        self.assertIn("test it_installs_ebpf ... FAILED\n", done.stdout)

    def test_each_installation_is_by_the_backend_that_is_named_and_taken_back(self):
        with fakes.programs({"tproxy": 'echo "$@" >&2'}) as folder:
            done = subprocess.run(["unshare", "--net", "--mount", "sh", str(SCRIPT), str(folder / "tproxy")], text=True,
                                  capture_output=True, check=False)
        said = [line for line in done.stderr.splitlines() if line.startswith(("install", "uninstall"))]
        self.assertEqual(said, ["install --kuma-dp-user 5678", "uninstall", "install --backend ebpf --kuma-dp-user 5678", "uninstall"])


if __name__ == "__main__":
    unittest.main()
