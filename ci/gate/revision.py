"""Programs of this repository's revisions, built. Must never touch the working tree.

Each revision has a target folder of its own: cargo tells packages by where they lie in their workspace, and takes those of
another worktree for its own when it finds them newer.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from guests import build
from trouble import Trouble, run

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


def is_committed(repository):
    """Whether all that is in the working tree is in its commit, so that figures are the commit's."""
    return not run(["git", "-C", str(repository), "status", "--porcelain"], "look for changes")


def messages(repository, since=None):
    """The messages of the commits since another; of the last where there are none, as of a change that is not yet committed."""
    log = ["git", "-C", str(repository), "log", "--format=%B"]
    found = run([*log, f"{since}..HEAD"], "read commit messages") if since else ""
    return found if found.strip() else run([*log, "-1"], "read the commit message")


def can_be_built():
    """Refuses where nothing can be built: that would seem to be the other revision's fault."""
    if shutil.which("cargo") is None:
        raise Trouble("there is no cargo; install a Rust toolchain")


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
    _build(source, f"counted of {name}", "--release", "--target-dir", str(target), "--example", "counted")
    return Path(target) / "release/examples/counted"


def tproxy(source, cache, name, release):
    """tproxy, static so that guests can run it, too."""
    words = build.static(cache, release)
    _build(source, f"tproxy of {name}", "--bin", "tproxy", *words, environment=build.environment())
    return build.folder(cache, release) / "tproxy"


def _build(source, what, *words, environment=None):
    # All members are chosen, so that a program has the same features whatever is built beside it.
    command = ["cargo", "build", "--locked", "--quiet", "--workspace", *words]
    run(command, f"build {what}", cwd=source, env=environment or dict(os.environ))
