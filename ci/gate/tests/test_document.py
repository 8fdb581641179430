"""The document of what a guest counted."""

import copy
import json
import unittest
from unittest import mock

from gate import document, guest, path
from gate.tests.test_path import SAME
from trouble import Trouble


def bench(void=None):
    """The JSON of a bench, as far as it is read."""
    cases = [{"case": case, "figures": {"p50": {"rounds": [500.001, 500.003, 500.002]}}} for case in path.names()]
    if void:
        cases[0] = {"case": cases[0]["case"], "void": void}
    return {"cases": cases}


class Document(unittest.TestCase):
    """From a bench to counts."""

    def test_microseconds_of_that_clock_are_thousands_of_instructions(self):
        found = document.made(bench(), {"kernel": "6.12.1-1"})
        self.assertEqual(set(path.counted(found).values()), {500_002})

    def test_what_was_not_redirected_is_not_counted(self):
        with self.assertRaisesRegex(document.Void, "the rules of pod counted 0 of 5 flows"):
            document.made(bench("the rules of pod counted 0 of 5 flows"), {})

    def test_where_only_the_other_revision_redirects_nothing_that_is_told_apart(self):
        with self.assertRaisesRegex(document.OthersVoid, "direct/1-clients: the rules of pod counted 0 of 5 flows"):
            document.made(bench("before: the rules of pod counted 0 of 5 flows"), {})
        both = bench("before: nothing")
        both["cases"][1] = {"case": both["cases"][1]["case"], "void": "nothing of this one"}
        with self.assertRaisesRegex(document.Void, "claims, so nothing is counted: [^;]*: nothing of this one$"):
            document.made(both, {})

    def test_a_case_that_is_missing_is_told(self):
        incomplete = bench()
        lost = incomplete["cases"].pop()
        with self.assertRaisesRegex(Trouble, lost["case"]):
            document.made(incomplete, {})



def changed(change):
    """A document with a change."""
    found = copy.deepcopy(SAME)
    change(found)
    return json.dumps(found)


class Read(unittest.TestCase):
    """From a file."""

    def refused(self, content, why):
        with self.assertRaisesRegex(Trouble, f"^x.json is no document of counted instructions, .*: {why}$"):
            document.read(content, "x.json")

    def test_a_whole_document_is_taken(self):
        self.assertEqual(document.read(json.dumps(SAME).encode(), "x.json"), SAME)

    def test_what_is_no_json_is_refused(self):
        for content in (b"", b"\x7fELF\xff\xfe\x00", b"[" * 100_000, b"x"):
            self.refused(content, "it is no JSON")

    def test_another_shape_is_refused(self):
        for content in ("[]", "{}", "1", '{"kernel": "6", "cases": 1}'):
            self.refused(content, "it has no cases")
        for kernel in ("", 6, None):
            self.refused(json.dumps({**SAME, "kernel": kernel}), "it has no kernel's version")
        for key in document.FACTS:
            self.refused(json.dumps({**SAME, key: 5}), f"its {key} is no .*")
        for cases in ({}, {"a": 1}, {"a": {}}):
            self.refused(json.dumps({**SAME, "cases": cases}), f"it has no counts of {path.names()[0]}")

    def test_every_case_must_have_counts(self):
        case = path.names()[-1]
        for value in (1, [], {}, {"now": []}, {"now": 5}, {"now": ["5"]}, {"now": [True]}, {"now": [0]}, {"now": [float("nan")]},
                      {"now": [10 ** 400]}, {"before": [5]}, {"now": [5], "before": []}, {"now": [5], "before": None}):
            self.refused(changed(lambda found, value=value: found["cases"].update({case: value})), f"it has no counts of {case}")
        self.refused(changed(lambda found: found["cases"].pop(case)), f"it has no counts of {case}")
        self.refused(changed(lambda found: found["cases"].update(more={})), "it has no counts of more")


class Guest(unittest.TestCase):
    """What a guest says of how it counted."""

    def test_random_numbers_were_seeded_which_later_runs_ask_for(self):
        with mock.patch.object(guest, "run", return_value="QEMU emulator version 7.2.22 (Debian)\n"):
            self.assertEqual(guest.known(), {"build": "release", "qemu": "7.2.22 (Debian)", "seeded": True})
            self.assertEqual(guest.known("tproxy")["build"], "debug")


if __name__ == "__main__":
    unittest.main()
