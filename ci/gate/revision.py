"""Programs of this repository's revisions, built. Must never touch the working tree."""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from guests.build import TARGET
from trouble import Trouble, run

# All members are chosen, so that a program has the same features whatever is built beside it.
BUILD = ("cargo", "build", "--release", "--locked", "--quiet", "--workspace")

# All that tproxy is made of.
SOURCES = ("tproxy/src", "tproxy/bpf", "tproxy/build.rs", "tproxy/examples", "tproxy/Cargo.toml", "Cargo.toml", "Cargo.lock")


def commit(repository, name):
    """The full name of a commit."""
    found = subprocess.run(["git", "-C", str(repository), "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"],
                           capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Trouble(f"there is no revision {name} in this repository; a shallow clone has not all of them")
    return found.stdout.strip()


def described(repository):
    """What is in the working tree, by its commit; `-dirty` where it differs from it."""
    return run(["git", "-C", str(repository), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
               "name this revision").strip()


def is_the_same(repository, full):
    """Whether the working tree has the same tproxy as a commit: then neither can cost more than the other."""
    git = ["git", "-C", str(repository)]
    changed = subprocess.run([*git, "diff", "--quiet", full, "--", *SOURCES], check=False).returncode != 0
    new = run([*git, "ls-files", "--others", "--exclude-standard", "--", *SOURCES], "list new files")
    return not changed and not new


@contextmanager
def checked_out(repository, full, folder):
    """Another revision, in a worktree of its own that is gone afterwards."""
    source = folder / "source"
    shutil.rmtree(source, ignore_errors=True)
    run(["git", "-C", str(repository), "worktree", "prune"], "tidy up worktrees")
    run(["git", "-C", str(repository), "worktree", "add", "--quiet", "--detach", str(source), full], f"check out {full}")
    try:
        yield source
    finally:
        run(["git", "-C", str(repository), "worktree", "remove", "--force", str(source)], f"remove the worktree of {full}")


def counted(source, target, name):
    """The program of the CPU-bound parts; None where the revision has none."""
    if not (Path(source) / "tproxy/examples/counted.rs").exists():
        return None
    _build(source, target, f"counted of {name}", "--example", "counted")
    return Path(target) / "release/examples/counted"


def tproxy(source, target, name):
    """tproxy, static as it is released, so that guests can run it, too."""
    _build(source, target, f"tproxy of {name}", "--bin", "tproxy", "--target", TARGET,
           flags=f"{os.environ.get('RUSTFLAGS', '')} -C target-feature=+crt-static".strip())
    return Path(target) / TARGET / "release/tproxy"


def _build(source, target, what, *words, flags=None):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), **({"RUSTFLAGS": flags} if flags else {})}
    run([*BUILD, *words], f"build {what}", cwd=source, env=environment)
