"""What the command line refuses."""

import contextlib
import io
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from gate import command, counts, revision
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
            self.assertIsNone(revision.Built("old", Path(folder)).counted)


if __name__ == "__main__":
    unittest.main()
