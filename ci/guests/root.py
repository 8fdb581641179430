"""Root file systems of guests: a Debian suite's, made once by mmdebstrap."""

import hashlib
import os

from . import apt, matrix
from .files import made_whole, scratch
from trouble import run


def folder(suite, cache, extra=()):
    """The folder with the suite's root file system; made when it is not in the cache."""
    packages = (*matrix.PACKAGES, *extra)
    # Another list of packages makes another root.
    target = cache / f"{suite}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    if not target.exists():
        with made_whole(target) as draft, scratch(cache / f".tmp-{suite}") as temporary:
            run(command(suite, packages, draft), f"make a root file system of Debian's {suite}", env=environment(temporary))
    return target


def environment(temporary):
    """The environment of that command, which keeps files there that it leaves when it is killed."""
    return {**os.environ, "LC_ALL": "C", "TMPDIR": str(temporary)}


def command(suite, packages, target, *more):
    """The command line that makes a root file system.

    What it mounts is seen by nobody else and gone with it: what is left of a failure is removed file by file. What it
    starts ends with it, whatever group or session that is in.
    """
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap", "--quiet", "--variant=apt",
            f"--include={','.join(packages)}", *(f"--aptopt={option}" for option in apt.options()), *more,
            suite, str(target), apt.source(suite)]
