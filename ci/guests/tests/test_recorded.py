"""What was recorded is whole and good, and is what the README shows."""

import unittest
from pathlib import Path

from guests import results, table

REPOSITORY = Path(__file__).resolve().parents[3]


class Recorded(unittest.TestCase):
    def setUp(self):
        self.recorded = results.load(REPOSITORY / "ci/guests/recorded")

    def test_the_readme_shows_what_was_recorded(self):
        readme = (REPOSITORY / "README.md").read_text()
        self.assertEqual(table.written(readme, self.recorded), readme, "run ci/kernels --record")

    def test_nothing_failed_and_nothing_was_skipped_everywhere(self):
        self.assertEqual([result.name for result in self.recorded if not result.is_good()], [])
        self.assertEqual(results.skipped_everywhere(self.recorded), {})


if __name__ == "__main__":
    unittest.main()
