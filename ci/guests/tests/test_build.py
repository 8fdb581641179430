"""What of the privileged tests no guest runs is known, and told."""

import re
import unittest
from pathlib import Path

from guests import build

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAMS = [build.Test(name, REPOSITORY / package, None, left_out) for package, name, left_out in build.TESTS]


def privileged():
    """The programs whose sources ask for what only root has, as a package and a name; of a library's own tests, the file."""
    for package in ("netsim", "tproxy"):
        tests = REPOSITORY / package / "tests"
        programs = [file for file in tests.glob("*.rs")] + [file.parent for file in tests.glob("*/main.rs")]
        for program in programs:
            if any(map(asks, program.rglob("*.rs") if program.is_dir() else [program])):
                yield package, program.stem
    for file in filter(asks, (REPOSITORY / "tproxy/src").rglob("*.rs")):
        yield "tproxy", str(file.relative_to(REPOSITORY / "tproxy").with_suffix(""))


def asks(file):
    """Whether tests of a file need root."""
    return re.search(r"\bmet_or_skip\(\)|\brequire::", file.read_text())


class LeftOut(unittest.TestCase):
    def test_each_program_is_run_in_guests_or_said_not_to_be(self):
        known = {(package, name) for package, name, _ in (*build.TESTS, *build.ELSEWHERE)}
        self.assertEqual(set(privileged()) - known, set())
        self.assertEqual(known - set(privileged()), set())

    def test_each_part_that_is_left_out_is_there(self):
        for package, name, left_out in build.TESTS:
            folder = REPOSITORY / package / "tests" / name
            for part in left_out:
                module = part.removesuffix("::")
                self.assertTrue((folder / f"{module}.rs").exists() or (folder / module).is_dir(), part)

    def test_each_stands_in_the_readme_with_its_reason(self):
        readme = (REPOSITORY / "README.md").read_text()
        for name, why in build.left_out(PROGRAMS).items():
            self.assertIn(f"\n| `{name}` | {why} |\n", readme)


if __name__ == "__main__":
    unittest.main()
