"""The README's table."""

import unittest
from pathlib import Path

from gate import picture
from trouble import Trouble

README = Path(__file__).resolve().parents[3] / "README.md"


def case(name, ratio):
    figures = {"both-cpu": {"to-straight": {"ratio": {"median": ratio, "from": ratio - 0.01, "to": ratio + 0.01}}}}
    return {"case": name, "figures": figures}


BENCH = {
    "environment": {"kernel": "6.18", "processor": "any"},
    "cases": [case("connections/outbound/ebpf", 1.05), case("connections/outbound/iptables-nft", 1.2),
              {"case": "bulk/outbound/ebpf", "void": "nothing was redirected", "figures": {}}],
}


class Picture(unittest.TestCase):
    """What a full run found."""

    def test_a_way_has_its_ratio_with_the_interval_and_what_was_void_or_not_measured_none(self):
        table = picture.markdown(BENCH, None, "abc", "2026-11-27")
        self.assertIn("| ebpf | 1.05 [1.04–1.06] | – |", table)
        self.assertIn("| straight | – |", table)
        self.assertIn("Revision abc, 2026-11-27, Linux 6.18, any", table)
        self.assertTrue(table.endswith(f"({picture.PLOT})\n"))

    def test_the_plot_is_called_what_it_shows_and_dns_is_explained(self):
        table = picture.markdown(BENCH, None, "abc", "2026-11-27")
        self.assertIn("![processor time of a connection, by backend]", table)
        self.assertNotIn("latency", table)
        self.assertRegex(table, r"\| ebpf .*\n\nDNS queries of `direct` cross to the peer's name server.*not comparable\.\n")

    def test_what_a_guest_counted_stands_below(self):
        counts = {f"connections/outbound/{way}/1-clients": 250_000 for way in picture.WAYS}
        counts["connections/outbound/ebpf/1-clients"] = 261_000
        table = picture.markdown(BENCH, {"kernel": "6.12.1-1", "instructions": counts}, "abc", "2026-11-27")
        self.assertIn("Linux 6.12.1-1, an outbound connection takes 250 thousand", table)
        self.assertIn("11.0 with ebpf", table)

    def test_the_readme_has_a_place_for_it_and_the_plot_that_it_shows(self):
        readme = README.read_text()
        self.assertIn("new\n", picture.written(readme, "new\n"))
        self.assertTrue(picture.PLOT not in readme or (README.parent / picture.PLOT).exists())
        with self.assertRaisesRegex(Trouble, "lacks the lines"):
            picture.written("no marks", "new\n")


if __name__ == "__main__":
    unittest.main()
