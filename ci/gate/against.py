"""Compares this revision with another, or with what a guest counted before.

Must never fail for what only the other revision does: this one may be what mends it.
"""

from pathlib import Path

from guests import needs
from . import bench, counts, document, full, guest, judgement, packets, path, places, revision
from .report import Report
from trouble import Trouble


def another(options):
    """Compares two revisions; the exit code."""
    commit = revision.commit(places.REPOSITORY, options.against)
    name, folder = options.against, places.FOLDER / "before"
    measures = not (options.counts or options.guest)
    if not measures and revision.is_the_same(places.REPOSITORY, commit):
        Report(places.FOLDER).add(f"Against {name}", f"nothing of tproxy differs from {name}: nothing to compare")
        return 0
    _can_be_had(options, measures)
    report = Report(places.FOLDER)
    program = tproxy = None
    with revision.checked_out(places.REPOSITORY, commit, folder) as source:
        if options.counts or measures:
            program = _of_other(lambda: revision.counted(source, folder / "target", name), f"{name} does not build")
        if options.guest or measures:
            tproxy = _of_other(lambda: revision.tproxy(source, folder, name, release=measures), f"{name} does not build")
    if options.counts or measures:
        report.add(f"Instructions of the CPU-bound parts against {name}", _counts(program, name))
    if options.guest:
        _guest(report, name, {"revision": revision.described(places.REPOSITORY), "against": commit}, tproxy)
    code = _ended(report, commit)
    return max(code, _packets(report, options, tproxy)) if measures else code


def earlier(options):
    """Compares with what a guest counted before; the exit code."""
    file = Path(options.against)
    before = document.read(file.read_bytes(), file)
    needs.met(places.REPOSITORY)
    # What is known already is compared before a guest takes its time.
    path.alike(before, {**before, **guest.known(), "cases": path.without_before(before["cases"])})
    report = Report(places.FOLDER)
    found = full.counted_in_guest({"revision": revision.described(places.REPOSITORY)})
    report.add(f"Instructions of the kernel's path against {before.get('revision', file)}, Linux {found['kernel']}",
               path.compared(before, found))
    return _ended(report)


def _can_be_had(options, measures):
    """Refuses what this machine cannot do before anything is built, which takes minutes."""
    if options.guest:
        needs.met(places.REPOSITORY)
    if measures:
        needs.root()
    if options.counts or measures:
        counts.can_be_had()
    revision.can_be_built()


def _of_other(work, fault):
    """What another revision's `work` gives; where it fails, a sentence for the report."""
    try:
        return work()
    except Trouble as trouble:
        return f"{fault}: not compared; {trouble}"


def _counts(program, name):
    """The CPU-bound parts of both revisions. This one's come first: where they cannot be had, the other's do not matter."""
    own = revision.counted(places.REPOSITORY, places.REPOSITORY / "target", "this one")
    now = None if own is None else counts.counted(own)
    if program is None or now is None:
        return f"{name if program is None else 'this revision'} has no program that can be counted: nothing to compare"
    before = program if isinstance(program, str) else _of_other(lambda: counts.counted(program), f"{name} cannot be counted")
    return before if isinstance(before, str) else judgement.judged(before, now, counts.SMALLEST)


def _guest(report, name, about, tproxy):
    """The kernel's path of both revisions."""
    title = f"Instructions of the kernel's path against {name}"
    if isinstance(tproxy, str):
        report.add(title, tproxy)
        # It must do what it claims all the same.
        full.counted_in_guest({"revision": about["revision"]})
        return
    try:
        found = full.counted_in_guest(about, tproxy)
        title = f"{title}, Linux {found['kernel']}"
        judged = path.judged(found)
        report.add(title, judged)
        if judgement.worse(judged):
            # In another order: chance seldom says so twice.
            print("something seems worse: it is counted once more", flush=True)
            report.add(title, judgement.confirmed(judged, _again(about, tproxy, judged)))
    except document.OthersVoid as void:
        report.add(title, f"{name} does not redirect as it claims: not compared; {void}")


def _again(about, tproxy, first):
    """What a second count says; where the other revision fails in that one alone, the first stands."""
    try:
        return path.judged(guest.counted(places.REPOSITORY, places.FOLDER / "guest-again", about, tproxy, seed=2))
    except document.OthersVoid as void:
        print(f"the other revision does not do what it claims this time, so that the first count stands: {void}", flush=True)
        return first


def _packets(report, options, tproxy):
    """Packets with both revisions; the exit code, which no commit message changes."""
    title = f"Processor time of packets against {options.against}"
    is_compared = not isinstance(tproxy, str)
    _, found = bench.measured(*(["--quick"] if options.quick else []), *(["--against", str(tproxy)] if is_compared else []))
    if found is None:
        return 2
    judged = packets.judged(found)
    report.add(title, (judged or "no case has a backend: nothing to compare") if is_compared else tproxy)
    if not bench.drawn(places.HISTORY):
        return 2
    return int(packets.failed(judged))


def _ended(report, since=None):
    """The exit code of what was counted."""
    if not report.is_worse():
        return 0
    reason = judgement.acceptance(revision.messages(places.REPOSITORY, since))
    print(f"accepted: {reason}" if reason else "worse, and no line `Accepts-cost: REASON` in a commit message says why")
    return 0 if reason else 1
