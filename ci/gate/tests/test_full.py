"""What a run of one revision measures and keeps."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from gate import bench, command, counts, document, figures, guest, history, path, picture, places, revision
from gate.tests.test_path import SAME
from guests import build, needs
from trouble import Trouble

README = f"{picture.BEGIN}\n{picture.END}\n"
FIGURES = "\n".join((history.BEGIN, history.END, *figures.PACKETS, *figures.PROCESSES, *figures.PARTS, ""))
COUNTED = {**SAME, "seeded": True, "cases": path.without_before(SAME["cases"])}


class Repository(unittest.TestCase):
    """Of which nothing is real."""

    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.files = {"REPOSITORY": self.root, "FOLDER": self.root / "target/bench", "HISTORY": self.root / "history.jsonl",
                      "FIGURES": self.root / "figures.md", "README": self.root / "README.md"}
        for name, file in self.files.items():
            self.enterContext(mock.patch.object(places, name, file))
        places.FOLDER.mkdir(parents=True)
        places.HISTORY.write_text("{}\n")
        places.README.write_text(README)
        places.FIGURES.write_text(FIGURES)
        (self.root / "benches").mkdir()


class Full(Repository):
    """With what a bench gives."""

    def setUp(self):
        super().setUp()
        (places.FOLDER / "plot.svg").write_text("<svg/>")
        found = {**figures.NOTHING, "environment": {"kernel": "6.18", "processor": "any", "processors": 2, "load": "0"}}
        for of, name, value in ((needs, "root", None), (revision, "described", "abc"), (revision, "is_committed", True),
                                (guest, "counted", COUNTED), (counts, "can_be_had", None), (counts, "counted", {"render": 1_500_000}),
                                (revision, "counted", None), (bench, "measured", (0, found)), (bench, "drawn", True)):
            self.enterContext(mock.patch.object(of, name, return_value=value))

    def ended(self, *words):
        """The exit code, and what was said."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            code = command.main(list(words))
        return code, out.getvalue()

    def kept(self):
        """By name, whether a file has changed."""
        return {"history": places.HISTORY.read_text() != "{}\n", "readme": places.README.read_text() != README,
                "figures": places.FIGURES.read_text() != FIGURES, "plot": (self.root / picture.PLOT).exists()}

    def test_a_full_run_of_a_commit_is_kept_and_the_page_has_it(self):
        def drawn(file):
            self.assertEqual(file.read_text().count("\n"), 2)
            self.assertFalse(any(self.kept().values()))
            return True

        bench.drawn.side_effect = drawn
        self.assertEqual(self.ended()[0], 0)
        self.assertEqual(set(self.kept().values()), {True})
        self.assertEqual([file.name for file in places.FOLDER.glob(".*")], [])

    def test_of_what_is_not_committed_nothing_is_kept_but_the_page_is_shown(self):
        revision.is_committed.return_value = False
        code, told = self.ended()
        self.assertEqual(code, 0)
        self.assertEqual(told.count("nothing of this run is kept"), 1)
        self.assertEqual(set(self.kept().values()), {False})
        self.assertTrue(bench.drawn.called)
        self.assertFalse(guest.counted.called)

    def test_a_page_that_cannot_be_drawn_keeps_all_as_it_was(self):
        bench.drawn.return_value = False
        for words in ((), ("--quick",)):
            self.assertEqual(self.ended(*words)[0], 2)
        self.assertEqual(set(self.kept().values()), {False})

    def test_files_without_a_place_are_told_before_anything_is_measured(self):
        for file, text in ((places.README, README), (places.FIGURES, FIGURES)):
            file.write_text("no marks")
            code, told = self.ended()
            self.assertEqual(code, 2)
            self.assertIn("lacks the lines", told)
            file.write_text(text)
        self.assertFalse(bench.measured.called)
        self.assertEqual(set(self.kept().values()), {False})

    def test_parts_are_kept_with_the_rest_and_are_not_needed_for_it(self):
        counts.can_be_had.side_effect = Trouble(counts.MISSING)
        code, told = self.ended()
        self.assertEqual(code, 0)
        self.assertIn("without instructions of the CPU-bound parts: cannot count instructions: there is no valgrind", told)
        self.assertEqual(set(self.kept().values()), {True})
        self.assertNotIn("parts", places.HISTORY.read_text())
        counts.can_be_had.side_effect = None
        self.assertEqual(self.ended()[0], 0)
        self.assertIn('"parts": {"render": 1500000}', places.HISTORY.read_text())
        self.assertIn(f"| {figures.WORK['render']} | 1.50 |", places.FIGURES.read_text())

    def test_what_is_void_or_quick_is_not_kept(self):
        self.assertEqual(self.ended("--quick")[0], 0)
        bench.measured.return_value = (1, bench.measured.return_value[1])
        self.assertEqual(self.ended()[0], 1)
        bench.measured.return_value = (101, None)
        self.assertEqual(self.ended()[0], 2)
        self.assertEqual(set(self.kept().values()), {False})

    def test_without_a_guest_the_rest_is_kept_and_with_a_void_one_nothing(self):
        guest.counted.side_effect = document.Void("a: nothing was redirected")
        self.assertEqual(self.ended()[0], 1)
        self.assertTrue(bench.drawn.called)
        self.assertEqual(set(self.kept().values()), {False})
        guest.counted.side_effect = Trouble("there is no QEMU")
        code, told = self.ended()
        self.assertEqual(code, 0)
        self.assertIn("without instructions of the kernel's path: there is no QEMU", told)
        self.assertEqual(self.kept(), {"history": True, "readme": True, "figures": True, "plot": True})
        self.assertIn(f"{history.BEGIN}\n{history.END}\n", places.FIGURES.read_text())


class Bench(Repository):
    """With a program in place of netsim."""

    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(build, "programs", return_value=self.root))
        self.enterContext(mock.patch.object(build, "folder", return_value=self.root))
        self.found = places.FOLDER / "bench.json"
        self.found.write_text("earlier")

    def netsim(self, script):
        """What it does from now on."""
        (self.root / "netsim").write_text(f"#!/bin/sh\n{script}\n")
        (self.root / "netsim").chmod(0o755)

    def test_while_it_measures_and_where_it_cannot_the_earlier_figures_stay(self):
        self.netsim(f'echo {{; [ "$(cat {self.found})" = earlier ] || exit 3; exit 2')
        self.assertEqual(bench.measured(), (2, None))
        self.assertEqual(self.found.read_text(), "earlier")
        self.netsim(f'[ "$(cat {self.found})" = earlier ] || exit 3; echo "[\\"$*\\"]"; exit 1')
        self.assertEqual(bench.measured("--quick"), (1, ["bench --json --quick"]))
        self.assertEqual(self.found.read_text(), '["bench --json --quick"]\n')
        self.assertEqual([file.name for file in places.FOLDER.iterdir()], ["bench.json"])

    def test_a_page_is_told_only_where_there_is_one(self):
        for code, is_drawn in ((0, True), (1, True), (2, False), (101, False)):
            self.netsim(f"exit {code}")
            with contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(bench.drawn(places.HISTORY), is_drawn)
            self.assertEqual("page: " in out.getvalue(), is_drawn)


if __name__ == "__main__":
    unittest.main()
