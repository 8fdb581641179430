"""Commits of a repository."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from gate import judgement, revision


class Repository(unittest.TestCase):
    """One commit to begin with."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source, self.readme = self.folder / "tproxy/src/main.rs", self.folder / "README.md"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("one")
        self.readme.write_text("one")
        self.git("init", "-b", "main")
        self.git("add", ".")
        self.git("commit", "-m", "first\n\nAccepts-cost: of the first")

    def git(self, *words):
        subprocess.run(["git", "-C", str(self.folder), "-c", "user.name=n", "-c", "user.email=e@x", *words], check=True,
                       capture_output=True)

    def accepted(self, since):
        return judgement.acceptance(revision.messages(self.folder, since))

    def test_only_another_tproxy_can_cost_more(self):
        self.readme.write_text("two")
        self.assertTrue(revision.is_the_same(self.folder, "HEAD"))
        new = self.source.parent / "new.rs"
        new.write_text("new")
        self.assertFalse(revision.is_the_same(self.folder, "HEAD"))
        new.unlink()
        self.source.write_text("two")
        self.assertFalse(revision.is_the_same(self.folder, "HEAD"))

    def test_any_commit_since_the_other_accepts_also_behind_a_merge_that_ci_makes(self):
        base = revision.commit(self.folder, "HEAD")
        self.git("checkout", "-b", "work")
        self.git("commit", "--allow-empty", "-m", "more\n\nAccepts-cost: it checks more")
        self.git("commit", "--allow-empty", "-m", "last")
        self.assertEqual(self.accepted(base), "it checks more")
        self.git("checkout", "main")
        self.git("commit", "--allow-empty", "-m", "meanwhile")
        self.git("merge", "--no-ff", "-m", "Merge work into main", "work")
        self.assertEqual(self.accepted("HEAD~1"), "it checks more")

    def test_where_there_is_no_commit_since_the_other_the_last_one_accepts(self):
        self.readme.write_text("two")
        for since in ("HEAD", None):
            self.assertEqual(self.accepted(since), "of the first")

    def test_what_is_not_committed_is_told(self):
        self.assertTrue(revision.is_committed(self.folder))
        self.readme.write_text("two")
        self.assertFalse(revision.is_committed(self.folder))
        self.git("commit", "-a", "-m", "second")
        (self.source.parent / "new.rs").write_text("new")
        self.assertFalse(revision.is_committed(self.folder))


if __name__ == "__main__":
    unittest.main()
