"""The command line of `ci/bench`."""

import argparse
import sys
from pathlib import Path

from guests import files
from . import against, document, full, memory, places
from trouble import Trouble, end_as_by_ctrl_c, sentence

END = """\
What it finds goes to target/bench: bench.json, index.html and plot.svg; guest.json and guest.md with --guest; with
--against also gate.json and gate.md. A full run of one revision, all of it committed, also counts in a guest, and adds a
line to benches/history.jsonl, the counts to benches/README.md, and a table and benches/plot.svg to README.md.
Exit codes: 0 as good as before, or nothing to compare with; 1 worse, or a case that was not redirected as it claims;
2 nothing could be measured; 130 interrupted. A line `Accepts-cost: REASON` in the message of a commit since the other
revision makes worse counts pass.
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
    it.add_argument("--memory", action="store_true", help="only what held connections take of the kernel's memory, in QEMU, where a "
                    "process may hold 10,000")
    return it


def main(words):
    """Does what the command line says; the exit code."""
    options = parser().parse_args(words)
    end_as_by_ctrl_c()
    try:
        checked(options)
        # One run at a time: two would write the same files.
        with files.alone(places.FOLDER):
            return done(options)
    except document.Void as void:
        print(f"ci/bench: {void}", file=sys.stderr)
        return 1
    except (Trouble, OSError) as trouble:
        print(f"ci/bench: {sentence(trouble, places.FOLDER)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ci/bench: interrupted", file=sys.stderr)
        return 130


def checked(options):
    """Refuses what does not go together."""
    if options.against == "":
        raise Trouble("--against '' names nothing: it takes a revision, as in --against HEAD~1, or a guest.json")
    if options.counts and options.against is None:
        raise Trouble("--counts compares: say with what, as in --against HEAD~1")
    if options.memory and (options.quick or options.counts or options.guest or options.against is not None):
        raise Trouble("--memory is measured alone, and compared with nothing: leave the other options out")
    if options.quick and (options.counts or options.guest):
        raise Trouble("--quick is for what is measured, and with --counts or --guest nothing is")
    if _is_file(options) and options.counts:
        raise Trouble("--counts compares revisions, since a compiler of another day counts otherwise; name one, not a file")
    if _is_file(options) and options.quick:
        raise Trouble(f"--quick is for what is measured, and with the file of --against {options.against} nothing is")


def done(options):
    """What the options ask for; the exit code."""
    if options.memory:
        return memory.measured()
    if _is_file(options):
        return against.earlier(options)
    if options.against is not None:
        return against.another(options)
    return full.counted() if options.guest else full.measured(options)


def _is_file(options):
    return options.against is not None and Path(options.against).is_file()
