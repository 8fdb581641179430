"""The command line of `ci/bench`."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from . import counts, judgement, revision
from trouble import Trouble, run

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "target/bench"

END = """\
What it finds goes to target/bench: bench.json, index.html and plot.svg; with --against also gate.json and gate.md.
Exit codes: 0 as good as before, or nothing to compare with; 1 worse, or a case that was not redirected as it claims;
2 nothing could be measured. A commit message with a line `Accepts-cost: REASON` makes worse counts pass.
"""


def parser():
    """The options."""
    it = argparse.ArgumentParser("ci/bench", description="Measures, and compares with another revision. Needs root but for --counts.",
                                 epilog=END, formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("--quick", action="store_true", help="fewer cases in shorter rounds: a picture in a minute")
    it.add_argument("--against", metavar="REV", help="compare with this revision, built here and measured in turn with this one")
    it.add_argument("--counts", action="store_true", help="with --against: count instructions, measure nothing")
    return it


def main(words):
    """Does what the command line says; the exit code."""
    options = parser().parse_args(words)
    if options.counts and options.against is None:
        print("ci/bench: --counts compares: say with what, as in --against HEAD~1", file=sys.stderr)
        return 2
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        return against(options) if options.against else measured(options, [])
    except (Trouble, OSError) as trouble:
        print(f"ci/bench: {trouble}", file=sys.stderr)
        return 2


def against(options):
    """Compares two revisions."""
    before = revision.build_other(REPOSITORY, options.against, FOLDER / "before")
    now = revision.build(REPOSITORY, REPOSITORY / "target", "this one")
    code = compared(before, now)
    if options.counts:
        return code
    return max(code, measured(options, ["--against", str(before.tproxy)]))


def compared(before, now):
    """Compares instructions; the exit code."""
    if before.counted is None:
        print(f"{before.name} has no program that can be counted: nothing to compare")
        return 0
    found = judgement.judged(counts.counted(before.counted), counts.counted(now.counted), counts.SMALLEST)
    title = f"Instructions against {before.name}"
    print(f"{title}\n{judgement.plain(found)}", end="")
    (FOLDER / "gate.json").write_text(json.dumps(judgement.data(found), indent=2) + "\n")
    (FOLDER / "gate.md").write_text(judgement.markdown(title, found))
    if all(one.verdict != judgement.WORSE for one in found):
        return 0
    reason = judgement.acceptance(run(["git", "-C", str(REPOSITORY), "log", "-1", "--format=%B"], "read the commit message"))
    print(f"accepted: {reason}" if reason else "worse, and no line `Accepts-cost: REASON` in the commit message says why")
    return 0 if reason else 1


def measured(options, more):
    """Measures packets; the exit code."""
    if os.geteuid() != 0:
        raise Trouble("needs root: run it with sudo")
    run(["cargo", "build", "--release", "--workspace", "--locked", "--quiet"], "build", cwd=REPOSITORY)
    words = [str(REPOSITORY / "target/release/netsim"), "bench", "--json", "--html", str(FOLDER / "index.html"),
             "--svg", str(FOLDER / "plot.svg"), *(["--quick"] if options.quick else []), *more]
    found = FOLDER / "bench.json"
    with found.open("w") as output:
        code = subprocess.run(words, stdout=output, check=False).returncode
    if code in (0, 1):
        # Its exit code says again what this one's did.
        subprocess.run([words[0], "bench", "--from", str(found)], check=False)
        print(f"page: {FOLDER / 'index.html'}")
    return code
