"""Root file systems of guests: a Debian suite's, made once by mmdebstrap."""

import os

from . import apt, matrix
from .files import made_whole
from trouble import run


def folder(suite, cache, extra=()):
    """The folder with the suite's root file system; made when it is not in the cache."""
    target = cache / "-".join((suite, *extra))
    if not target.exists():
        with made_whole(target) as draft:
            # What it mounts is seen by nobody else and gone with it: what is left of a failure is removed file by file.
            run(["unshare", "--mount", "mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join((*matrix.PACKAGES, *extra))}",
                 *(f"--aptopt={option}" for option in apt.options()),
                 suite, str(draft), apt.source(suite)],
                f"make a root file system of Debian's {suite}", env={**os.environ, "LC_ALL": "C"})
    return target
