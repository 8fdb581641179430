"""The line of a run, and the table's place."""

import json
import unittest

from gate import history
from trouble import Trouble

BENCH = {
    "environment": {"kernel": "6.18", "processor": "any"},
    "cases": [
        {"case": "a", "figures": {"both-cpu": {"spread": {"median": 12.3456}}}},
        {"case": "b", "void": "nothing was redirected", "figures": {}},
    ],
}


class History(unittest.TestCase):
    """benches/history.jsonl."""

    def test_a_run_is_one_line_without_what_is_void(self):
        guest = {"kernel": "6.12.1-1", "seeded": True, "instructions": {"a": 5}, "seconds": 9}
        line = history.line(BENCH, guest, {"render": 7}, "abc", "2026-11-26")
        self.assertEqual(line.count("\n"), 1)
        self.assertEqual(json.loads(line), {
            "revision": "abc", "date": "2026-11-26", "kernel": "6.18", "processor": "any", "cpu": {"a": 12.35},
            "guest": {"kernel": "6.12.1-1", "seeded": True, "instructions": {"a": 5}}, "parts": {"render": 7},
        })

    def test_without_a_guest_or_parts_it_has_none(self):
        line = json.loads(history.line(BENCH, None, None, "abc", "2026-11-26"))
        self.assertEqual({"guest", "parts"} & set(line), set())

    def test_only_what_stands_between_the_marks_changes(self):
        readme = f"before\n{history.BEGIN}\nold\n{history.END}\nafter\n"
        self.assertEqual(history.written(readme, "new\n"), f"before\n{history.BEGIN}\nnew\n{history.END}\nafter\n")
        with self.assertRaisesRegex(Trouble, "lacks the lines"):
            history.written("no marks", "new\n")


if __name__ == "__main__":
    unittest.main()
