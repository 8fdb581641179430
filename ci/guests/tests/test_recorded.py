"""What was recorded is whole and good, and is what the README shows."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from guests import matrix, recording, results, table
from trouble import Trouble, run

REPOSITORY = Path(__file__).resolve().parents[3]


# Scenarios that came into the set after a commit was recorded, by that commit. Once those guests are recorded anew, they go.
LATER = {"253ab9d7d4a0": {"vnet/one-source-port"}}


def scenarios(names):
    return {name.split("::")[0] for name in names}


def backends(names):
    return {name.split("::")[1] for name in names if name.count("::") == 2}


class Recorded(unittest.TestCase):
    def setUp(self):
        self.recorded = {result.name: result for result in results.load(REPOSITORY / recording.FOLDER)}
        # A KeyError names the guest that was never recorded.
        self.own = [(matrix.own(kernel), self.recorded[f"{kernel.name}-{kernel.suite}"]) for kernel in matrix.KERNELS]
        self.others = [(userland, self.recorded[f"{matrix.USERLAND_KERNEL}-{userland.name}"]) for userland in matrix.USERLANDS]

    def test_the_readme_shows_what_was_recorded(self):
        readme = (REPOSITORY / "README.md").read_text()
        self.assertEqual(table.written(readme, list(self.recorded.values())), readme, "run ci/kernels --record")

    def test_nothing_failed_and_nothing_was_skipped_everywhere(self):
        self.assertEqual([name for name, result in self.recorded.items() if not result.is_good()], [])
        self.assertEqual(results.skipped_everywhere(self.recorded.values()), {})

    def test_the_service_was_tried(self):
        self.assertEqual(self.recorded[f"{matrix.USERLAND_KERNEL}-bookworm-systemd"].set, "service")

    def test_every_kernel_ran_something_of_each_feature(self):
        for _, result in self.own:
            self.assertIn(result.set, ("core", "all"), result.name)
            later = LATER.get(result.facts.get("revision"), set())
            self.assertEqual(set(matrix.CORE) - scenarios(result.passed), later, result.name)

    def test_every_userland_ran_the_handful(self):
        for _, result in self.others:
            self.assertEqual(set(matrix.SMOKE) - scenarios(result.passed), set(), result.name)

    def test_each_backend_that_must_be_somewhere_ran_there(self):
        for userland, result in (*self.own, *self.others):
            demanded = set(matrix.BACKENDS) & set(userland.required)
            self.assertEqual(demanded - backends(result.passed), set(), result.name)

    def test_the_release_was_tried(self):
        # What was recorded before it could be has no revision.
        for _, result in (*self.own, *self.others):
            if "revision" in result.facts:
                self.assertTrue([name for name in result.passed if name.startswith("release ")], result.name)


class Revision(unittest.TestCase):
    """Which commit a recording is of."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.repository = Path(folder.name)
        (self.repository / recording.FOLDER).mkdir(parents=True)
        for name in ("README.md", "source", f"{recording.FOLDER}/6.1-bookworm.json"):
            (self.repository / name).write_text("first")
        who = ("-c", "user.name=A", "-c", "user.email=a@b")
        for words in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "--message", "first")):
            run(["git", "-C", folder.name, *words], "make a repository")

    def test_it_is_that_of_the_commit_also_when_other_guests_were_recorded_since(self):
        clean = recording.revision(self.repository)
        self.assertRegex(clean, "^[0-9a-f]{12}$")
        (self.repository / "README.md").write_text("second")
        (self.repository / recording.FOLDER / "6.1-trixie.json").write_text("new")
        self.assertEqual(recording.revision(self.repository), clean)

    def test_with_other_changes_it_is_dirty(self):
        (self.repository / "source").write_text("second")
        self.assertRegex(recording.revision(self.repository), "^[0-9a-f]{12}-dirty$")

    def test_without_a_repository_nothing_can_be_recorded(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.dict("os.environ", {"GIT_CEILING_DIRECTORIES": "/"}):
            with self.assertRaisesRegex(Trouble, "cannot name this revision: git says: .*not a git repository"):
                recording.revision(Path(name))


if __name__ == "__main__":
    unittest.main()
