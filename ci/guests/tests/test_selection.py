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
