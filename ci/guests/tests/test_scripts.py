"""Scripts for machines that are not here: Fedora's, new ones, Vagrant's."""

import re
import shutil
import subprocess
import unittest
from pathlib import Path

from guests import needs
from guests.tests import fakes, skips

REPOSITORY = Path(__file__).resolve().parents[3]
SETUP = (REPOSITORY / "ci/setup").read_text()
PROVISION = (REPOSITORY / "ci/provision").read_text()


def function(script, name):
    """A shell function out of a script."""
    return re.search(rf"^{name}\(\) \{{\n.*?^\}}\n", script, re.MULTILINE | re.DOTALL)[0]


def shell(text):
    return subprocess.run(["sh", "-euc", text], capture_output=True, text=True, check=False)


class Setup(unittest.TestCase):
    def test_what_fedora_calls_otherwise_is_asked_for_by_its_name(self):
        names = "iptables linux-libc-dev busybox-static debian-archive-keyring libc6-dev curl"
        self.assertEqual(shell(function(SETUP, "fedora_names") + f"fedora_names {names}").stdout.split(), [
            "iptables-nft", "iptables-legacy", "kernel-headers", "busybox", "debian-keyring", "glibc-devel", "curl"])

    def test_what_guests_need_is_installed(self):
        # A command of each package is enough.
        installed = set(re.findall(r"^ *need \S+ (\S+)$", SETUP, re.MULTILINE)) | {"busybox-static"}
        self.assertEqual(set(needs.PROGRAMS.values()) - installed, {"a Rust toolchain"})


class Provision(unittest.TestCase):
    def test_a_toolchain_that_is_too_old_does_not_count(self):
        wanted = re.search(r'^rust-version = "(.*)"', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)[1]
        major, minor = wanted.split(".")[:2]
        text = f"here={REPOSITORY}/ci\n" + function(PROVISION, "is_new_enough") + "is_new_enough"
        for cargo, is_enough in ((f"echo cargo {wanted}.0 '(abc 2026-01-01)'", True), (f"echo cargo {major}.{int(minor) + 1}.0-nightly", True),
                                 (f"echo cargo {major}.{int(minor) - 1}.9", False), (f"echo cargo {major}.9.0", False), ("exit 127", False)):
            with fakes.programs({"cargo": cargo}):
                self.assertEqual(shell(text).returncode == 0, is_enough, cargo)

    def test_what_a_signal_interrupts_is_removed(self):
        traps = "\n".join(re.findall(r"^ *trap .*", PROVISION, re.MULTILINE))
        for name in ("INT", "TERM", "HUP"):
            done = shell(f"folder=$(mktemp -d); echo $folder; {traps}\nkill -{name} $$; echo still here")
            self.assertFalse(Path(done.stdout.strip()).exists(), name)
            self.assertEqual(done.returncode, 130)


@skips.unless(shutil.which("ruby"), "there is no ruby")
class Vagrant(unittest.TestCase):
    def test_its_file_is_ruby(self):
        done = subprocess.run(["ruby", "-c", str(REPOSITORY / "Vagrantfile")], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "Syntax OK\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
