"""Packages, root file systems and the accelerator, with small programs in the place of apt, mmdebstrap and QEMU."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guests import accelerator, apt, machine, matrix, root
from guests.tests import fakes, skips
from guests.tests.test_machine import MACHINE
from trouble import Trouble


class Apt(unittest.TestCase):
    def suite(self, depends, folder):
        fake = {"apt-get": "echo $APT_CONFIG", "apt-cache": f"case $2 in {depends} esac"}
        with fakes.programs(fake), mock.patch.object(apt, "source", return_value="deb"):
            return apt.Suite("forky", Path(folder)).kernel_packages()

    def test_a_kernel_is_one_package_or_several(self):
        with tempfile.TemporaryDirectory() as folder:
            one = "linux-image-amd64) echo 'Depends: linux-image-6.1.0-9-amd64' ;; *) echo 'Depends: kmod' ;;"
            self.assertEqual(self.suite(one, folder), ("6.1.0-9-amd64", ["linux-image-6.1.0-9-amd64"]))
            several = ("linux-image-amd64) echo 'Depends: linux-image-7.2-amd64' ;; *) printf 'Depends: %s\\n' "
                       "linux-base-7.2-amd64 linux-binary-7.2-amd64 linux-modules-7.2-amd64 linux-base ;;")
            self.assertEqual(self.suite(several, folder)[1], ["linux-image-7.2-amd64", "linux-base-7.2-amd64",
                                                              "linux-binary-7.2-amd64", "linux-modules-7.2-amd64"])

    def test_a_suite_without_a_kernel_is_told(self):
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(Trouble, "no kernel package in Debian's forky"):
            self.suite("*) ;;", folder)

    def test_a_mirror_that_cannot_be_reached_is_told_in_apts_words(self):
        fake = {"apt-get": "echo 'E: Failed to fetch http://x' >&2; exit 100", "apt-cache": "exit 1"}
        with tempfile.TemporaryDirectory() as folder, fakes.programs(fake), mock.patch.object(apt, "source", return_value="deb"):
            with self.assertRaisesRegex(Trouble, "cannot read the packages of Debian's forky: apt-get says: E: Failed to fetch"):
                apt.Suite("forky", Path(folder)).kernel_packages()

    def test_the_machines_own_mirror_is_used_where_it_has_one(self):
        with fakes.programs({"apt-get": "echo http://near/debian/; echo http://far/debian/"}):
            self.assertEqual(apt.mirror(), "http://near/debian")
        with fakes.programs({"apt-get": "true"}):
            self.assertEqual(apt.mirror(), apt.ELSEWHERE)

    def test_how_mirrors_are_reached_is_passed_on_and_nothing_else(self):
        dump = "cat <<'E'\nAcquire::http::Proxy \"http://p:1\";\nAcquire::Check-Date \"0\";\nAcquire::Languages \"de\";\nE"
        with fakes.programs({"apt-config": dump}):
            self.assertEqual(apt.options(), ['Acquire::http::Proxy "http://p:1"', 'Acquire::Check-Date "0"', 'Acquire::Retries "3"'])


@skips.unless(os.geteuid() == 0, "not root: it makes namespaces")
class Root(unittest.TestCase):
    def made(self, cache, extra=(), script='for draft; do case $draft in */.*) echo "$@" >$draft/words ;; esac; done'):
        with fakes.programs({"mmdebstrap": script}), mock.patch.object(apt, "options", return_value=["A::B \"1\""]), \
                mock.patch.object(apt, "source", return_value="deb there"):
            return root.folder("bookworm", Path(cache), extra)

    def test_it_is_made_once_with_what_scenarios_need(self):
        with tempfile.TemporaryDirectory() as cache:
            words = (self.made(cache) / "words").read_text()
            self.assertIn(f"--include={','.join(matrix.PACKAGES)} --aptopt=A::B \"1\" bookworm", words)
            self.assertTrue((self.made(cache, script="exit 1") / "words").exists())

    def test_another_list_of_packages_makes_another(self):
        with tempfile.TemporaryDirectory() as cache:
            first, second = self.made(cache), self.made(cache, ("udev",))
            with mock.patch.object(matrix, "PACKAGES", ("curl",)):
                third = self.made(cache)
            self.assertEqual(len({first, second, third}), 3)

    def test_of_one_that_cannot_be_made_nothing_is_left(self):
        with tempfile.TemporaryDirectory() as cache:
            with self.assertRaisesRegex(Trouble, "cannot make a root file system of Debian's bookworm: .* E: no such suite"):
                self.made(cache, script="echo 'E: no such suite' >&2; exit 1")
            self.assertEqual(os.listdir(cache), [])


class Accelerator(unittest.TestCase):
    def probed(self, script, cache, device="/dev/null"):
        with fakes.programs({machine.QEMU: script}), mock.patch.object(accelerator, "DEVICE", device), \
                mock.patch.object(accelerator, "BOOTING", 1):
            return accelerator.probed(MACHINE, Path(cache))

    def test_a_guest_that_boots_by_kvm_says_that_it_works(self):
        with tempfile.TemporaryDirectory() as cache:
            script = f'case "$*" in *"-accel kvm"*) echo {machine.MARK} ;; esac'
            self.assertEqual(self.probed(script, cache), "kvm")
            # Kept until the host boots again, not tried for each guest.
            self.assertEqual(self.probed("exit 1", cache), "kvm")

    def test_a_device_by_which_nothing_boots_is_not_used(self):
        for script in ("exec sleep 60", "echo KVM internal error; exit 1"):
            with tempfile.TemporaryDirectory() as cache:
                self.assertEqual(self.probed(script, cache), "tcg")

    def test_without_a_device_nothing_is_tried(self):
        with tempfile.TemporaryDirectory() as cache:
            self.assertEqual(self.probed("exit 1", cache, device=f"{cache}/kvm"), "tcg")
            self.assertEqual(os.listdir(cache), [])


if __name__ == "__main__":
    unittest.main()
