"""The command line of `ci/bench`."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

from guests import build, needs
from . import counts, document, guest, history, judgement, path, picture, revision
from trouble import Trouble, end_as_by_ctrl_c, run

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "target/bench"
HISTORY = REPOSITORY / "benches/history.jsonl"
FIGURES = REPOSITORY / "benches/README.md"
README = REPOSITORY / "README.md"

END = """\
What it finds goes to target/bench: bench.json, index.html and plot.svg; guest.json and guest.md with --guest; with
--against also gate.json and gate.md. A full run of one revision also counts in a guest, and adds a line to
benches/history.jsonl, the counts to benches/README.md, and a table and benches/plot.svg to README.md.
Exit codes: 0 as good as before, or nothing to compare with; 1 worse, or a case that was not redirected as it claims;
2 nothing could be measured; 130 interrupted. A commit message with a line `Accepts-cost: REASON` makes worse counts pass.
"""


def parser():
    """The options."""
    it = argparse.ArgumentParser("ci/bench", description="Measures, and compares with another revision. Needs root but for --counts.",
                                 epilog=END, formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("--quick", action="store_true", help="fewer cases in shorter rounds: a picture in a minute")
    it.add_argument("--against", metavar="REV|FILE", help="compare with this revision, built here and measured in turn with "
                    "this one; with a guest.json of an earlier run only what a guest counts")
    it.add_argument("--counts", action="store_true", help="with --against: count instructions of the CPU-bound parts, measure nothing")
    it.add_argument("--guest", action="store_true", help="count the kernel's instructions a connection and a round trip, in QEMU; "
                    "measure nothing")
    return it


def main(words):
    """Does what the command line says; the exit code."""
    options = parser().parse_args(words)
    if options.counts and options.against is None:
        print("ci/bench: --counts compares: say with what, as in --against HEAD~1", file=sys.stderr)
        return 2
    if options.quick and (options.counts or options.guest):
        print("ci/bench: --quick is for what is measured, and with --counts or --guest nothing is", file=sys.stderr)
        return 2
    end_as_by_ctrl_c()
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        if options.against and Path(options.against).is_file():
            return against_file(options)
        if options.against:
            return against(options)
        return counted_alone() if options.guest else measured(options, [])
    except document.Void as void:
        print(f"ci/bench: {void}", file=sys.stderr)
        return 1
    except (Trouble, OSError) as trouble:
        print(f"ci/bench: {trouble}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ci/bench: interrupted", file=sys.stderr)
        return 130


def against(options):
    """Compares two revisions."""
    full = revision.commit(REPOSITORY, options.against)
    name, folder = options.against, FOLDER / "before"
    measures = not (options.counts or options.guest)
    if not measures and revision.is_the_same(REPOSITORY, full):
        print(f"nothing of tproxy differs from {name}: nothing to compare")
        return 0
    before = {}
    with revision.checked_out(REPOSITORY, full, folder) as source:
        if options.counts or measures:
            before["counted"] = revision.counted(source, folder / "target", name)
        if options.guest or measures:
            before["tproxy"] = revision.tproxy(source, folder, name, release=measures)
    sections = {}
    if "counted" in before:
        sections[f"Instructions of the CPU-bound parts against {name}"] = compared_counts(before["counted"], name)
    if options.guest:
        about = {"revision": revision.described(REPOSITORY), "against": full}
        found = counted_in_guest(about, before["tproxy"])
        title = f"Instructions of the kernel's path against {name}, Linux {found['kernel']}"
        sections[title] = confirmed(path.judged(found), about, before["tproxy"])
    code = told(sections)
    return max(code, measured(options, ["--against", str(before["tproxy"])])) if measures else code


def confirmed(judged, about, before):
    """What was judged. What seems worse is counted once more, in another order: chance seldom says so twice."""
    if not judgement.worse(judged):
        return judged
    print("something seems worse: it is counted once more", flush=True)
    again = guest.counted(REPOSITORY, FOLDER / "guest-again", about, before, seed=2)
    return judgement.confirmed(judged, path.judged(again))


def against_file(options):
    """Compares with what a guest counted before."""
    if options.counts:
        raise Trouble("--counts compares revisions, since a compiler of another day counts otherwise; name one, not a file")
    before = document.read(Path(options.against).read_bytes(), options.against)
    needs.met(REPOSITORY)
    # What is known already is compared before a guest takes its time.
    path.alike(before, {**before, **guest.known(), "cases": path.without_before(before["cases"])})
    found = counted_in_guest({"revision": revision.described(REPOSITORY)})
    title = f"Instructions of the kernel's path against {before.get('revision', options.against)}, Linux {found['kernel']}"
    return told({title: path.compared(before, found)})


def compared_counts(before, name):
    """The CPU-bound parts of both revisions."""
    if before is None:
        print(f"{name} has no program that can be counted: nothing to compare")
        return []
    now = revision.counted(REPOSITORY, REPOSITORY / "target", "this one")
    return judgement.judged(counts.counted(before), counts.counted(now), counts.SMALLEST)


def told(sections):
    """Prints what was compared and writes it for others; the exit code."""
    sections = {title: found for title, found in sections.items() if found}
    for title, found in sections.items():
        print(f"{title}\n{judgement.plain(found)}", end="")
    (FOLDER / "gate.json").write_text(json.dumps({title: judgement.data(found) for title, found in sections.items()}, indent=2) + "\n")
    (FOLDER / "gate.md").write_text("\n".join(judgement.markdown(title, found) for title, found in sections.items()))
    if not any(judgement.worse(found) for found in sections.values()):
        return 0
    reason = judgement.acceptance(run(["git", "-C", str(REPOSITORY), "log", "-1", "--format=%B"], "read the commit message"))
    print(f"accepted: {reason}" if reason else "worse, and no line `Accepts-cost: REASON` in the commit message says why")
    return 0 if reason else 1


def counted_alone():
    """Counts in a guest, and compares with nothing."""
    found = counted_in_guest({"revision": revision.described(REPOSITORY)})
    print(path.markdown(found), end="")
    return 0


def counted_in_guest(about, before=None):
    """Counts in a guest, and keeps what was found."""
    found = guest.counted(REPOSITORY, FOLDER / "guest", about, before)
    (FOLDER / "guest.json").write_text(json.dumps(found) + "\n")
    (FOLDER / "guest.md").write_text(path.markdown(found))
    return found


def measured(options, more):
    """Measures packets, and in a full run counts in a guest and keeps it; the exit code."""
    needs.root()
    netsim = str(build.programs(REPOSITORY, guest.CACHE, release=True) / "netsim")
    found = FOLDER / "bench.json"
    with found.open("w") as output:
        code = subprocess.run([netsim, "bench", "--json", *(["--quick"] if options.quick else []), *more], stdout=output,
                              check=False).returncode
    if code not in (0, 1):
        return code
    is_kept = not options.quick and not more and code == 0
    if is_kept:
        kept(json.loads(found.read_text()), counted_if_possible())
    # Its exit code says again what this one's did.
    subprocess.run([netsim, "bench", "--from", str(found), "--history", str(HISTORY), "--html", str(FOLDER / "index.html"),
                    "--svg", str(FOLDER / "plot.svg")], check=False)
    if is_kept:
        shutil.copyfile(FOLDER / "plot.svg", REPOSITORY / picture.PLOT)
    print(f"page: {FOLDER / 'index.html'}")
    return code


def counted_if_possible():
    """What a guest counts; None where none can be had, which is said."""
    try:
        return counted_in_guest({"revision": revision.described(REPOSITORY)})
    except document.Void:
        raise
    except Trouble as trouble:
        print(f"ci/bench: without instructions of the kernel's path: {trouble}", file=sys.stderr)
        return None


def kept(bench, found):
    """Appends a run to the history, and puts it into the READMEs."""
    described, date = revision.described(REPOSITORY), datetime.now(timezone.utc).date().isoformat()
    counted = None if found is None else {"kernel": found["kernel"], "seeded": found["seeded"], "instructions": path.counted(found)}
    with HISTORY.open("a") as file:
        file.write(history.line(bench, counted, described, date))
    README.write_text(picture.written(README.read_text(), picture.markdown(bench, counted, described, date)))
    if found is not None:
        FIGURES.write_text(history.written(FIGURES.read_text(), path.markdown(found)))
