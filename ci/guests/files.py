"""Folders that are there whole or not at all."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from trouble import Trouble


@contextlib.contextmanager
def made_whole(target):
    """Gives a new folder, which gets the name `target` once all in it has been made; on trouble nothing is left."""
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
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
        shutil.rmtree(draft, ignore_errors=True)
