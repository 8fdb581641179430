"""What counts mean."""

import unittest

from gate import judgement


class Judgement(unittest.TestCase):
    """Counts of two revisions."""

    def test_a_change_is_one_only_beyond_what_says_nothing(self):
        before = {"render": 1000, "parse": 1000, "plan": 1000, "gone": 5}
        now = {"render": 1006, "parse": 994, "plan": 1004, "new": 5}
        found = {one.what: one.verdict for one in judgement.judged(before, now, 0.005)}
        self.assertEqual(found, {"render": "worse", "parse": "better", "plan": "within noise", "gone": "only before", "new": "only now"})

    def test_what_only_one_revision_has_is_listed_and_neither_better_nor_worse(self):
        found = judgement.judged({"gone": 5}, {"new": 7}, 0.005)
        self.assertFalse(judgement.worse(found))
        self.assertEqual(judgement.data(found), [{"what": "gone", "before": 5, "now": None, "verdict": "only before"},
                                                 {"what": "new", "before": None, "now": 7, "verdict": "only now"}])
        self.assertIn("| gone | 5 | – | – | only before |", judgement.markdown("title", found))
        self.assertRegex(judgement.plain(found), r"only now +new +– → +7  –")

    def test_it_is_told_as_a_table_and_as_data(self):
        found = judgement.judged({"render": 1000}, {"render": 1100}, 0.005)
        self.assertIn("| render | 1,000 | 1,100 | 1.1000 | worse |", judgement.markdown("title", found))
        self.assertEqual(judgement.data(found)[0]["ratio"], 1.1)
        self.assertIn("worse", judgement.plain(found))

    def test_only_what_is_worse_twice_is_worse(self):
        first = judgement.judged({"a": 100, "b": 100, "c": 100}, {"a": 110, "b": 110, "c": 90}, 0.01)
        second = judgement.judged({"a": 100, "b": 100, "c": 100}, {"a": 110, "b": 100, "c": 100}, 0.01)
        found = {one.what: one.verdict for one in judgement.confirmed(first, second)}
        self.assertEqual(found, {"a": "worse", "b": "within noise", "c": "better"})

    def test_a_message_accepts_by_a_line_with_a_reason(self):
        self.assertEqual(judgement.acceptance("Do more\n\nAccepts-cost: it checks more"), "it checks more")
        self.assertEqual(judgement.acceptance("One\n\nAccepts-cost: a\n\nTwo\n\nAccepts-cost: b"), "a; b")
        self.assertIsNone(judgement.acceptance("Do more\n\nAccepts-cost:"))
        self.assertIsNone(judgement.acceptance("This accepts-cost nothing"))


if __name__ == "__main__":
    unittest.main()
