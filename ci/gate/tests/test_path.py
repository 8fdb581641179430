"""What instructions of the kernel's path mean."""

import copy
import json
import random
import unittest
from pathlib import Path

from gate import guest, judgement, path
from trouble import Trouble

# One revision against itself, in one guest.
SAME = json.loads((Path(__file__).parent / "same-revision.json").read_text())
ROUNDS = len(next(iter(SAME["cases"].values()))["now"])
PARTS = 20


def part(number):
    """As many of its rounds as a run has: one after the other while there are any, then drawn from all of them."""
    size = guest.ROUNDS
    whole = ROUNDS // size
    drawn = random.Random(number).sample(range(ROUNDS), size)
    rounds = range(number * size, (number + 1) * size) if number < whole else drawn
    return {**SAME, "cases": {case: {which: [all_[one] for one in rounds] for which, all_ in both.items()}
                              for case, both in SAME["cases"].items()}}


def slower(found, change, of=path.BACKENDS):
    """The same with `change` in every round of the newer revision, where one of these backends redirects."""
    found = copy.deepcopy(found)
    for case, both in found["cases"].items():
        if any(backend in case for backend in of):
            both["now"] = [change(count) for count in both["now"]]
    return found


class Judgement(unittest.TestCase):
    """What is told as worse, and what is not."""

    def test_nothing_is_told_of_a_revision_against_itself_in_19_of_20_parts(self):
        loud = [number for number in range(PARTS) if any(one.verdict != judgement.SAME for one in path.judged(part(number)))]
        self.assertLessEqual(len(loud), 1, f"parts {loud}")

    def test_two_hundredths_more_on_the_whole_path_are_told_in_every_part(self):
        for number in range(PARTS):
            found = {one.what: one.verdict for one in path.judged(slower(part(number), lambda count: count * 1.02))}
            for case in found:
                if case.endswith("over straight"):
                    continue
                self.assertEqual(found[case], "worse", f"part {number}: {case}")

    def test_4000_instructions_more_of_one_backend_over_straight_are_told_in_every_part(self):
        for backend in path.BACKENDS:
            for number in range(PARTS):
                found = path.judged(slower(part(number), lambda count: count + 4_000, of=(backend,)))
                over = {one.what: one.verdict for one in found if one.absolute and backend in one.what}
                self.assertEqual(len(over), 4)
                self.assertEqual(set(over.values()), {"worse"}, f"part {number}")

    def test_less_is_better(self):
        found = path.judged(slower(part(0), lambda count: count * 0.97))
        self.assertEqual({one.verdict for one in found if not one.absolute}, {"better"})

    def test_two_runs_are_compared_as_two_revisions_of_one_are(self):
        now = slower(part(1), lambda count: count + 10_000)
        self.assertTrue(judgement.worse(path.compared(part(0), now)))
        self.assertFalse(judgement.worse(path.compared(part(0), part(1))))

    def test_kernels_are_not_compared_with_each_other(self):
        with self.assertRaisesRegex(Trouble, "instructions change with the kernel"):
            path.compared({**part(0), "kernel": "6.12.107-1"}, part(1))

    def test_versions_of_qemu_are_not_compared_with_each_other(self):
        with self.assertRaisesRegex(Trouble, "with QEMU 9.2.0 and with QEMU 7.2.22 .*instructions change with it"):
            path.compared({**part(0), "qemu": "9.2.0"}, part(1))
        with self.assertRaisesRegex(Trouble, "with QEMU of an unknown version"):
            path.compared({key: value for key, value in part(0).items() if key != "qemu"}, part(1))

    def test_what_was_counted_with_unseeded_random_numbers_is_not_compared_with_later_counts(self):
        # A document that says nothing is of a time when nobody looked.
        silent = {key: value for key, value in part(0).items() if key != "seeded"}
        for unseeded in (silent, {**part(0), "seeded": False}):
            with self.assertRaisesRegex(Trouble, "random numbers were seeded"):
                path.compared(unseeded, {**part(1), "seeded": True})
        path.compared({**part(0), "seeded": True}, {**part(1), "seeded": True})

    def test_a_guest_with_one_revision_is_not_compared_with_one_that_has_two(self):
        alone = {**part(0), "cases": path.without_before(part(0)["cases"])}
        with self.assertRaisesRegex(Trouble, "what else is up in the guest"):
            path.compared(part(0), alone)

    def test_a_case_that_only_one_run_has_is_listed(self):
        lost = path.name("connections", "outbound", "ebpf")
        fewer = {**part(0), "cases": {case: both for case, both in part(0)["cases"].items() if case != lost}}
        for before, now, verdict in ((part(0), fewer, "only before"), (fewer, part(0), "only now")):
            found = {one.what: one.verdict for one in path.compared(before, now) if not one.is_compared()}
            self.assertEqual(found, {lost: verdict, f"{lost} over straight": verdict})

    def test_it_is_told_as_text_as_data_and_as_a_table(self):
        found = path.judged(slower(part(0), lambda count: count + 10_000))
        self.assertIn("connections/outbound/ebpf/1-clients over straight", judgement.plain(found))
        self.assertIn("over straight | ", judgement.markdown("title", found))
        data = {one["what"]: one for one in judgement.data(found)}
        self.assertIn("ratio", data["connections/outbound/ebpf/1-clients"])
        self.assertIn("more", data["connections/outbound/ebpf/1-clients over straight"])


class Table(unittest.TestCase):
    """What stands in benches/README.md."""

    def test_each_way_is_beside_straight_and_each_aim_is_reached_or_not(self):
        found = path.markdown(SAME)
        for way in path.WAYS:
            self.assertIn(f"| {way} | ", found)
        self.assertEqual(sum(line.count("reached") for line in found.splitlines()), 8)
        self.assertIn(f"Linux {SAME['kernel']}", found)

    def test_a_case_costs_over_straight_what_it_has_more(self):
        over = path.over_straight({path.name("connections", "outbound", way): count for way, count in
                                   (("straight", 100), ("ebpf", 130), ("direct", 50))})
        self.assertEqual(over, {path.name("connections", "outbound", "ebpf"): 30})


if __name__ == "__main__":
    unittest.main()
