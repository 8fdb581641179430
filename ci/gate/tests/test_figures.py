"""The tables of benches/README.md."""

import unittest
from pathlib import Path

from gate import figures
from trouble import Trouble

README = Path(__file__).resolve().parents[3] / "benches/README.md"


def figure(value, **more):
    return {"spread": {"median": value, "low": value - 1, "high": value + 1}, **more}


def case(name, **more):
    ratio = {"median": 1.05, "from": 1.04, "to": 1.06}
    straight = {"to-straight": {"with": "connections/outbound/straight", "ratio": ratio, "more": ratio}}
    baseline = {"to-baseline": {"with": "connections/outbound/straight", "more": {"median": 4.0, "from": 3.0, "to": 5.0}}}
    figures_ = {"rate": figure(9000, **straight), "pod-cpu": figure(80.0, **straight, **baseline), "p50": figure(100)}
    return {"case": name, "figures": figures_, **more}


BENCH = {
    "environment": {"kernel": "6.18", "processor": "any", "processors": 2, "load": "0.1 0.1 0.1"}, "load-after": "1 1 1", "rounds": 30,
    "cases": [case("connections/outbound/ebpf"), case("connections/outbound/ebpf/10000-exclusions"),
              {"case": "queries/outbound/ebpf", "void": "nobody asked", "figures": {}}, case("connections/outbound/ebpf/ipv6"),
              case("connections/outbound/ebpf/17-clients")],
    "programs": [{"what": "install, ebpf", "wall": figure(79.0)["spread"], "cpu": figure(75.0)["spread"]}],
}


class Packets(unittest.TestCase):
    """A line a case."""

    def test_figures_stand_with_their_spread_and_what_they_are_compared_with(self):
        lines = figures.packets(BENCH, "abc", "2026-11-27").splitlines()
        self.assertIn("Revision abc, 2026-11-27, Linux 6.18, 2 × any, load before 0.1 0.1 0.1, after 1 1 1; 30 rounds:", lines)
        self.assertIn("| connections/outbound/ebpf | 9000 [8999–9001] | 80.0 [79.0–81.0] | 100, – | 1.05 [1.04–1.06] | "
                      "1.05 [1.04–1.06] | 4.0 [3.0–5.0] than straight |", lines)

    def test_what_was_void_says_why_and_what_is_unusual_stands_in_its_group(self):
        told = figures.packets(BENCH, "abc", "2026-11-27")
        self.assertIn("| queries/outbound/ebpf | void: nobody asked |", told)
        self.assertLess(told.index("/10000-exclusions"), told.index("/ipv6"))
        self.assertNotIn("17-clients", told)


class Readme(unittest.TestCase):
    """Where they stand."""

    def test_there_is_a_place_for_both(self):
        told = figures.written(README.read_text(), BENCH, "abc", "2026-11-27")
        self.assertIn("| install, ebpf | 79.0 [78.0–80.0] | 75.0 [74.0–76.0] |", told)
        with self.assertRaisesRegex(Trouble, "benches/README.md lacks the lines"):
            figures.written("", BENCH, "abc", "2026-11-27")


if __name__ == "__main__":
    unittest.main()
