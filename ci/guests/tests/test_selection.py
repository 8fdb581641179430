"""What sets mean, and that the scenarios they name are there."""

import unittest
from pathlib import Path

from guests import matrix, selection
from trouble import Trouble

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
LISTED = [f"{name}::{backend}::{family}" for name in ("a/x", "a/xy") for backend in ("one", "two") for family in ("ipv4", "ipv6")]


class Choosing(unittest.TestCase):
    def test_no_scenario_means_all_variants(self):
        self.assertEqual(selection.chosen(LISTED, ()), LISTED)

    def test_each_backend_runs_each_scenario_once_and_both_families_have_their_turn(self):
        self.assertEqual(selection.chosen(LISTED, ("a/x", "a/xy")),
                         ["a/x::one::ipv4", "a/x::two::ipv6", "a/xy::one::ipv6", "a/xy::two::ipv4"])

    def test_a_scenario_of_one_backend_and_family_is_run_there(self):
        self.assertEqual(selection.chosen(["b::two::ipv6"], ("b",)), ["b::two::ipv6"])

    def test_a_family_that_is_lacking_is_left_to_the_other(self):
        self.assertEqual(selection.chosen(LISTED, ("a/x", "a/xy"), ("*::ipv6",)),
                         ["a/x::one::ipv4", "a/x::two::ipv4", "a/xy::one::ipv4", "a/xy::two::ipv4"])
        self.assertEqual(selection.chosen(LISTED, ("a/x", "a/xy"), ("one::ipv6",)),
                         ["a/x::one::ipv4", "a/x::two::ipv6", "a/xy::one::ipv4", "a/xy::two::ipv4"])
        self.assertEqual(selection.chosen(LISTED, (), ("*::ipv6",)), [name for name in LISTED if name.endswith("::ipv4")])

    def test_a_scenario_of_a_family_that_is_lacking_is_left_out(self):
        self.assertEqual(selection.chosen(["b::two::ipv6"], ("b",), ("*::ipv6",)), [])

    def test_a_scenario_that_is_gone_is_named(self):
        with self.assertRaisesRegex(Trouble, "the scenario a/z, and there is none"):
            selection.chosen(LISTED, ("a/z",))


class Lost(unittest.TestCase):
    def test_what_a_userland_lacks_is_named_though_the_other_family_takes_its_place(self):
        self.assertEqual(selection.lost(LISTED, ("a/x", "a/xy"), ("*::ipv6",)), ["a/x::two::ipv6", "a/xy::one::ipv6"])
        self.assertEqual(selection.lost(LISTED, (), ("one::ipv6",)), ["a/x::one::ipv6", "a/xy::one::ipv6"])
        self.assertEqual(selection.lost(LISTED, (), ()), [])


class Expected(unittest.TestCase):
    GAP = matrix.Gap("a/x", "o*::ipv?", ("5.10",), "says", "why")

    def test_a_gap_is_of_its_scenario_backends_and_kernels_alone(self):
        self.assertEqual(selection.expected(LISTED, (self.GAP,), "5.10"), {"a/x::one::ipv4": self.GAP, "a/x::one::ipv6": self.GAP})
        self.assertEqual(selection.expected(LISTED, (self.GAP,), "6.12"), {})
        self.assertEqual(selection.expected(["a/xy::one::ipv4"], (self.GAP,), "5.10"), {})

    def test_those_declared_are_of_scenarios_and_kernels_that_there_are(self):
        for gap in matrix.GAPS:
            self.assertTrue((SCENARIOS / f"{gap.scenario}.yaml").is_file(), gap)
            self.assertLessEqual(set(gap.kernels), {kernel.name for kernel in matrix.KERNELS})
            self.assertTrue(gap.reason and gap.says)

    def test_a_source_port_that_older_kernels_confuse_is_tried_on_all(self):
        self.assertIn("vnet/one-source-port", matrix.CORE)
        names = [f"vnet/one-source-port::{backend}::ipv4" for backend in matrix.BACKENDS]
        for kernel in matrix.KERNELS:
            failing = {name.split("::")[1] for name in selection.expected(names, matrix.GAPS, kernel.name)}
            self.assertEqual(failing, {"iptables-nft", "iptables-legacy"} if kernel.name in ("5.10", "6.1") else set(), kernel.name)


class Userlands(unittest.TestCase):
    def test_a_whole_one_demands_all_and_others_what_is_left_of_them(self):
        required = {userland.name: userland.required for userland in matrix.USERLANDS}
        for name in ("bullseye", "trixie", "forky", "no-ip6tables", "no-ipv6", "no-bpffs", "cgroup-hybrid"):
            self.assertEqual(required[name], matrix.REQUIRED, name)
        self.assertEqual(set(matrix.REQUIRED) - set(required["nft-only"]), {"iptables-legacy"})
        self.assertEqual(set(matrix.REQUIRED) - set(required["legacy-only"]), {"iptables-nft"})


class Sets(unittest.TestCase):
    def test_the_scenarios_that_they_name_are_there(self):
        for name in matrix.CORE:
            self.assertTrue((SCENARIOS / f"{name}.yaml").is_file(), name)

    def test_core_has_something_of_each_folder_of_scenarios(self):
        # Crowds need more processors than a guest has; examples show keys, not features.
        folders = {path.parent.name for path in SCENARIOS.glob("*/*.yaml")} - {"crowds", "examples"}
        self.assertEqual(folders - {name.split("/")[0] for name in matrix.CORE}, set())


if __name__ == "__main__":
    unittest.main()
