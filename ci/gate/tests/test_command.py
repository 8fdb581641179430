"""What the command line refuses."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from gate import command, counts, judgement, revision
from trouble import Trouble


class Command(unittest.TestCase):
    """Bad input, in one sentence."""

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


class Sources(unittest.TestCase):
    """Whether there is anything to compare."""

    def test_only_another_tproxy_can_cost_more(self):
        with tempfile.TemporaryDirectory() as name:
            def git(*words):
                subprocess.run(["git", "-C", name, "-c", "user.name=n", "-c", "user.email=e@x", *words], check=True, capture_output=True)
            source, readme = Path(name) / "tproxy/src/main.rs", Path(name) / "README.md"
            source.parent.mkdir(parents=True)
            source.write_text("one")
            readme.write_text("one")
            git("init")
            git("add", ".")
            git("commit", "-m", "first")
            readme.write_text("two")
            self.assertTrue(revision.is_the_same(Path(name), "HEAD"))
            (source.parent / "new.rs").write_text("new")
            self.assertFalse(revision.is_the_same(Path(name), "HEAD"))
            (source.parent / "new.rs").unlink()
            source.write_text("two")
            self.assertFalse(revision.is_the_same(Path(name), "HEAD"))


class Verdict(unittest.TestCase):
    """What a comparison ends with."""

    def ended(self, now, message):
        sections = {"Instructions": judgement.judged({"render": 1000}, {"render": now}, 0.005)}
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(command, "FOLDER", Path(folder)), \
                mock.patch.object(command, "run", return_value=message), contextlib.redirect_stdout(io.StringIO()) as out:
            code = command.told(sections)
            written = [(Path(folder) / name).read_text() for name in ("gate.json", "gate.md")]
        return code, out.getvalue(), written

    def test_worse_is_1_unless_the_message_says_why(self):
        self.assertEqual(self.ended(1000, "Do more")[0], 0)
        code, told, written = self.ended(1100, "Do more")
        self.assertEqual(code, 1)
        self.assertIn("no line `Accepts-cost: REASON`", told)
        self.assertTrue(all("worse" in text for text in written))
        code, told, _ = self.ended(1100, "Do more\n\nAccepts-cost: it checks more")
        self.assertEqual(code, 0)
        self.assertIn("accepted: it checks more", told)


if __name__ == "__main__":
    unittest.main()
