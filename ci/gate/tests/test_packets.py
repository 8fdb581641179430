"""What packets cost, from the JSON of a bench."""

import unittest

from gate import judgement, packets


def case(name, low, middle, high):
    """A case that was measured with both revisions."""
    ratio = {"median": middle, "from": low, "to": high}
    return {"case": name, "figures": {"both-cpu": {
        "rounds": [104.0, 105.0, 106.0], "before": [99.0, 100.0, 101.0], "spread": {"median": 105.0}, "to-before": {"ratio": ratio}}}}


class Packets(unittest.TestCase):
    """Against another revision."""

    def verdicts(self, *cases):
        return {one.what: one.verdict for one in packets.judged({"cases": list(cases)})}

    def test_it_judges_as_netsim_does(self):
        # The same as in netsim/src/load/judgement.rs.
        for low, middle, high, verdict in ((0.99, 1.0, 1.01, "within noise"), (0.98, 1.05, 1.12, "within noise"),
                                           (1.005, 1.008, 1.012, "within noise"), (1.02, 1.05, 1.08, "worse"), (0.9, 0.95, 0.98, "better")):
            self.assertEqual(self.verdicts(case("a", low, middle, high)), {"a": verdict})

    def test_what_no_backend_does_is_not_compared(self):
        self.assertEqual(self.verdicts({"case": "straight", "figures": {"both-cpu": {"rounds": [1.0], "spread": {"median": 1.0}}}}), {})

    def test_only_what_this_revision_does_not_redirect_fails(self):
        others = {"case": "a", "void": "before: the rules of pod counted 0 of 5 flows"}
        own = {"case": "b", "void": "the rules of pod counted 0 of 5 flows"}
        self.assertEqual(self.verdicts(others, own), {"a": "not compared", "b": "void"})
        self.assertFalse(packets.failed(packets.judged({"cases": [others]})))
        self.assertTrue(packets.failed(packets.judged({"cases": [own]})))
        self.assertTrue(packets.failed(packets.judged({"cases": [case("c", 1.02, 1.05, 1.08)]})))
        self.assertFalse(packets.failed(packets.judged({"cases": [case("c", 0.9, 0.95, 0.98)]})))

    def test_it_is_told_as_text_as_data_and_as_a_table(self):
        found = packets.judged({"cases": [case("a", 1.02, 1.05, 1.08), {"case": "b", "void": "before: nothing"}]})
        self.assertIn("| a | 100.0 µs | 105.0 µs | 1.050 [1.020–1.080] | worse |", judgement.markdown("title", found))
        self.assertIn("| b | – | – | before: nothing | not compared |", judgement.markdown("title", found))
        self.assertIn("1.050 [1.020–1.080]", judgement.plain(found))
        self.assertEqual(judgement.data(found), [
            {"what": "a", "before": 100.0, "now": 105.0, "verdict": "worse", "ratio": 1.05,
             "interval": {"median": 1.05, "from": 1.02, "to": 1.08}},
            {"what": "b", "before": None, "now": None, "verdict": "not compared", "reason": "before: nothing"}])


if __name__ == "__main__":
    unittest.main()
