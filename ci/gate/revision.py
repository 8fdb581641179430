"""A revision of this repository, built. Must never touch the working tree."""

import os
import shutil
import subprocess
from pathlib import Path

from trouble import Trouble, run

# Of an old revision only what is compared is built.
PROGRAMS = ("--package", "tproxy", "--bin", "tproxy")
COUNTED = ("--package", "tproxy", "--example", "counted")


class Built:
    """Where a revision's programs are; `counted` is None where it has no such program."""

    def __init__(self, name, folder):
        self.name = name
        self.tproxy = folder / "release/tproxy"
        counted = folder / "release/examples/counted"
        self.counted = counted if counted.exists() else None


def commit(repository, name):
    """The full name of a commit."""
    found = subprocess.run(["git", "-C", str(repository), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
                           capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Trouble(f"there is no revision {name} in this repository; a shallow clone has not all of them")
    return found.stdout.strip()


def build(source, target, name):
    """Builds what is in a folder."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    run(["cargo", "build", "--release", "--locked", "--quiet", *PROGRAMS], f"build tproxy of {name}", cwd=source, env=environment)
    if (Path(source) / "tproxy/examples/counted.rs").exists():
        run(["cargo", "build", "--release", "--locked", "--quiet", *COUNTED], f"build counted of {name}", cwd=source, env=environment)
    return Built(name, Path(target))


def build_other(repository, name, folder):
    """Builds another revision, in a worktree of its own that is gone afterwards."""
    full = commit(repository, name)
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    run(["git", "-C", str(repository), "worktree", "prune"], "tidy up worktrees")
    run(["git", "-C", str(repository), "worktree", "add", "--quiet", "--detach", str(source), full], f"check out {name}")
    try:
        return build(source, folder / "target", name)
    finally:
        run(["git", "-C", str(repository), "worktree", "remove", "--force", str(source)], f"remove the worktree of {name}")
