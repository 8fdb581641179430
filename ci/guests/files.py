"""Folders that are there whole or not at all, and a cache that one run at a time uses."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

from trouble import Trouble


@contextlib.contextmanager
def made_whole(target):
    """Gives a new folder, which gets the name `target` once all in it has been made; on trouble nothing is left.

    What a run that was killed left of the same target is removed first: see `alone`.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for stale in target.parent.glob(f".{target.name}-*"):
            removed(stale)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        # Other users' programs of a root file system must get in.
        draft.chmod(0o755)
    except OSError as error:
        raise Trouble(f"cannot make {target}: {error.strerror}") from None
    try:
        yield draft
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    except OSError as error:
        raise Trouble(f"cannot make {target}: {error.strerror}") from None
    finally:
        removed(draft)


@contextlib.contextmanager
def scratch(folder):
    """A new folder for what programs need meanwhile; gone afterwards, as is what a killed run left of it."""
    try:
        removed(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise Trouble(f"cannot make {folder}: {error.strerror}") from None
    try:
        yield folder
    finally:
        removed(folder)


def removed(folder):
    """Removes a folder and all in it, even where a program that was just killed still writes there."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            return
        time.sleep(0.05)


@contextlib.contextmanager
def alone(folder):
    """Keeps a second run out of a cache: it could take away what this one is making. The kernel lifts the lock in any case."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"another run uses {folder}: wait until it has ended") from None
        yield
