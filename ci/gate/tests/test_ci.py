"""What CI runs, with programs that only tell that they were called."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def program(file, script):
    """A shell script in place of a program."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


class Scratch(unittest.TestCase):
    """A folder for each test."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))


class Run(Scratch):
    """.ci/run."""

    def git(self, *words):
        command = ["git", "-C", str(self.folder), "-c", "user.name=n", "-c", "user.email=e@x", *words]
        subprocess.run(command, check=True, capture_output=True)

    def committed(self, commits):
        """A repository with the script and so many commits."""
        self.git("init", "source")
        source = self.folder / "source"
        for name in ("demo", "test", "setup", "kernels", "bench"):
            program(source / "ci" / name, f"echo {name} $*")
        (source / ".ci").mkdir()
        shutil.copy(REPOSITORY / ".ci/run", source / ".ci/run")
        self.git("-C", "source", "add", ".")
        for number in range(commits):
            self.git("-C", "source", "commit", "--allow-empty", "-m", str(number))
        return source

    def ended(self, clone):
        done = subprocess.run([str(clone / ".ci/run")], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_the_commit_before_is_compared_with(self):
        code, told, _ = self.ended(self.committed(2))
        self.assertEqual(code, 0)
        self.assertIn("bench --against HEAD~1 --counts --guest\n", told)

    def test_a_first_commit_is_compared_with_nothing_and_that_is_said(self):
        code, told, complaint = self.ended(self.committed(1))
        self.assertEqual(code, 0)
        self.assertNotIn("--against", told)
        self.assertIn("nothing says what this one costs", complaint)

    def test_a_shallow_clone_fetches_the_commit_before(self):
        self.git("clone", "--depth", "1", f"file://{self.committed(2)}", str(self.folder / "shallow"))
        self.assertIn("bench --against HEAD~1 --counts --guest\n", self.ended(self.folder / "shallow")[1])

    def test_where_it_cannot_be_had_all_else_is_run_and_that_is_said(self):
        source = self.committed(2)
        self.git("clone", "--depth", "1", f"file://{source}", str(self.folder / "shallow"))
        shutil.rmtree(source)
        code, told, complaint = self.ended(self.folder / "shallow")
        self.assertEqual(code, 0)
        self.assertIn("kernels --smoke", told)
        self.assertIn("nothing says what this one costs", complaint)


class Workflow(Scratch):
    """What GitHub runs for a pull request."""

    def test_both_comparisons_are_in_the_summary_and_among_what_is_kept(self):
        program(self.folder / "bin/sudo", 'shift $([ "$1" = -E ] && echo 1 || echo 0); exec "$@"')
        program(self.folder / "ci/setup", "true")
        program(self.folder / "ci/bench", "mkdir -p target/bench; for kind in json md; do echo \"$*\" >target/bench/gate.$kind; done")
        summary = self.folder / "summary"
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "GITHUB_STEP_SUMMARY": str(summary)}
        for step in re.findall(r"run: (.*)", (REPOSITORY / ".github/workflows/bench.yml").read_text()):
            subprocess.run(["bash", "-ec", step.replace("${{ github.base_ref }}", "main")], cwd=self.folder, env=environment, check=True)
        both = ["--counts --guest --against origin/main", "--quick --against origin/main"]
        self.assertEqual(summary.read_text().splitlines(), both)
        kept = [file.read_text().strip() for file in sorted((self.folder / "target/bench").glob("*.*"))]
        self.assertEqual(sorted(kept), sorted(both * 2))


if __name__ == "__main__":
    unittest.main()
