"""What the command line refuses."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from gate import against, command, counts, full, places, revision
from guests import files
from trouble import Trouble


class Command(unittest.TestCase):
    """Bad input, in one sentence."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "bench"
        self.enterContext(mock.patch.object(places, "FOLDER", self.folder))

    def said(self, *words):
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            code = command.main(list(words))
        return code, told.getvalue()

    def test_counts_need_something_to_compare_with(self):
        self.assertEqual(self.said("--counts"),
                         (2, "ci/bench: --counts compares: say with what, as in --against HEAD~1\n"))

    def test_a_revision_that_there_is_not_is_told(self):
        code, told = self.said("--counts", "--against", "no-such-revision")
        self.assertEqual(code, 2)
        self.assertIn("there is no revision no-such-revision", told)

    def test_without_valgrind_it_says_so(self):
        with mock.patch.object(subprocess, "run", side_effect=FileNotFoundError):
            with self.assertRaisesRegex(Trouble, "there is no valgrind"):
                counts.instructions(Path("counted"), "render")

    def test_a_revision_without_the_program_has_nothing_to_count(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(revision.counted(Path(folder), Path(folder), "old"))

    def test_what_measures_nothing_is_not_quick(self):
        code, told = self.said("--quick", "--guest")
        self.assertEqual(code, 2)
        self.assertIn("--quick is for what is measured", told)

    def test_a_file_that_is_no_document_of_counts_is_told_before_anything_is_built(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write("{}")
            file.flush()
            code, told = self.said("--guest", "--against", file.name)
        self.assertEqual(code, 2)
        self.assertIn("is no document of counted instructions", told)

    def test_a_file_has_no_counts_of_a_compiler(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            code, told = self.said("--counts", "--against", file.name)
        self.assertEqual(code, 2)
        self.assertIn("name one, not a file", told)

    def test_an_empty_name_is_refused_before_anything_is_done(self):
        with mock.patch.object(full, "measured", side_effect=AssertionError):
            for words in (("--against", ""), ("--against=",), ("--counts", "--against", "")):
                code, told = self.said(*words)
                self.assertEqual(code, 2)
                self.assertIn("--against '' names nothing", told)
        self.assertFalse(self.folder.exists())

    def test_memory_is_measured_alone(self):
        for other in (["--quick"], ["--guest"], ["--against", "HEAD~1"], ["--against", "HEAD~1", "--counts"]):
            code, told = self.said("--memory", *other)
            self.assertEqual(code, 2)
            self.assertIn("--memory is measured alone", told)

    def test_with_a_file_nothing_is_measured_quickly(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file, mock.patch.object(against, "earlier", side_effect=AssertionError):
            code, told = self.said("--quick", "--against", file.name)
        self.assertEqual(code, 2)
        self.assertIn(f"the file of --against {file.name}", told)

    def test_a_file_that_is_no_text_is_told_in_one_sentence(self):
        with tempfile.NamedTemporaryFile("wb", suffix=".json") as file:
            file.write(b"\x7fELF\xff\xfe")
            file.flush()
            code, told = self.said("--against", file.name)
        self.assertEqual((code, told.count("\n")), (2, 1))
        self.assertIn("it is no JSON", told)

    def test_two_at_a_time_are_refused(self):
        with files.alone(self.folder), mock.patch.object(full, "measured", side_effect=AssertionError):
            code, told = self.said("--quick")
        self.assertEqual((code, told), (2, f"ci/bench: another run uses {self.folder}: wait until it has ended\n"))


if __name__ == "__main__":
    unittest.main()
