"""Small programs that play those that guests are made with."""

import contextlib
import os
import tempfile
from pathlib import Path
from unittest import mock


@contextlib.contextmanager
def programs(scripts):
    """Puts shell scripts first in PATH, by the names of the programs; gives the folder that they are in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for program, script in scripts.items():
            file = folder / program
            file.write_text(f"#!/bin/sh\n{script}\n")
            file.chmod(0o755)
        with mock.patch.dict(os.environ, {"PATH": f"{name}:{os.environ['PATH']}"}):
            yield folder


def running(mark):
    """The processes with this text in their command lines."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "cmdline").read_bytes() and int(process.name) != os.getpid():
                found.append(int(process.name))
    return found
