"""A run of one revision, and what of a full one is kept in the repository."""

import json
import shutil
import sys
from datetime import datetime, timezone

from guests import needs
from . import bench, counts, document, figures, guest, history, path, picture, places, revision
from trouble import Trouble


def measured(options):
    """Measures packets, and in a full run counts in a guest and keeps it; the exit code."""
    needs.root()
    described = revision.described(places.REPOSITORY)
    is_kept = not options.quick and _may_be_kept()
    code, found = bench.measured(*(["--quick"] if options.quick else []))
    if found is None:
        return 2
    if not is_kept or code != 0:
        return code if bench.drawn(places.HISTORY) else 2
    try:
        counted = _counted_if_possible(described)
    except document.Void:
        bench.drawn(places.HISTORY)
        raise
    return code if _kept(found, counted, _parts_if_possible(), described) else 2


def counted():
    """Counts in a guest, and compares with nothing; the exit code."""
    found = counted_in_guest({"revision": revision.described(places.REPOSITORY)})
    print(path.markdown(found), end="")
    return 0


def counted_in_guest(about, before=None):
    """Counts in a guest, and leaves what was found."""
    found = guest.counted(places.REPOSITORY, places.FOLDER / "guest", about, before)
    (places.FOLDER / "guest.json").write_text(json.dumps(found) + "\n")
    (places.FOLDER / "guest.md").write_text(path.markdown(found))
    return found


def _may_be_kept():
    """Whether figures would be those of a commit. That they have a place is asked before they take their time."""
    if not revision.is_committed(places.REPOSITORY):
        print("what is in the working tree is not all committed: nothing of this run is kept in the repository", flush=True)
        return False
    picture.written(places.README.read_text(), "")
    figures.with_parts(figures.written(history.written(places.FIGURES.read_text(), ""), figures.NOTHING, "", ""), {}, "")
    return True


def _counted_if_possible(described):
    """What a guest counts; None where none can be had, which is said."""
    try:
        return counted_in_guest({"revision": described})
    except document.Void:
        raise
    except Trouble as trouble:
        print(f"ci/bench: without instructions of the kernel's path: {trouble}", file=sys.stderr)
        return None


def _parts_if_possible():
    """Instructions of the CPU-bound parts; None where they cannot be counted, which is said."""
    try:
        counts.can_be_had()
        return counts.counted(revision.counted(places.REPOSITORY, places.REPOSITORY / "target", "this one"))
    except Trouble as trouble:
        print(f"ci/bench: without instructions of the CPU-bound parts: {trouble}", file=sys.stderr)
        return None


def _kept(found, counted_, parts, described):
    """Draws the page with this run in its history, and only then changes the repository: all that belongs together, or nothing."""
    texts = _texts(found, counted_, parts, described, datetime.now(timezone.utc).date().isoformat())
    draft = places.FOLDER / ".history.jsonl"
    try:
        draft.write_text(texts[places.HISTORY])
        if not bench.drawn(draft):
            return False
    finally:
        draft.unlink(missing_ok=True)
    for file, text in texts.items():
        file.write_text(text)
    shutil.copyfile(places.FOLDER / "plot.svg", places.REPOSITORY / picture.PLOT)
    return True


def _texts(found, counted_, parts, described, date):
    """What the repository's files shall be. What could not be counted leaves the earlier counts, which say whose they are."""
    path_ = None if counted_ is None else {"kernel": counted_["kernel"], "seeded": counted_["seeded"],
                                           "instructions": path.counted(counted_)}
    shown = figures.written(places.FIGURES.read_text(), found, described, date)
    if counted_ is not None:
        shown = history.written(shown, path.markdown(counted_))
    if parts is not None:
        shown = figures.with_parts(shown, parts, described)
    return {places.HISTORY: places.HISTORY.read_text() + history.line(found, path_, parts, described, date),
            places.README: picture.written(places.README.read_text(), picture.markdown(found, path_, described, date)),
            places.FIGURES: shown}
