"""The kernel's memory that held connections take, in a guest: a process there may have as many descriptors as it needs."""

import re
import shlex

from guests import build, files, needs
from guests.command import CACHE
import marked
from trouble import Trouble

from . import boot, places, revision

BEGIN = "<!-- memory, made by ci/bench -->"
END = "<!-- end of memory -->"
# Seconds, on a busy host.
LIMIT = 1800
# Caches of the kernel must not be merged with those of others: they are counted by name.
ARGUMENTS = ("slab_nomerge",)
HELD = re.compile(r"(\d+) held: +(-?\d+) +(-?\d+)")


def measured():
    """Measures, shows the table, and puts it into the repository where all is committed; the exit code."""
    needs.met(places.REPOSITORY)
    described = revision.described(places.REPOSITORY)
    is_kept = revision.is_committed(places.REPOSITORY)
    folder = places.FOLDER / "memory"
    with files.alone(CACHE):
        programs = build.programs(places.REPOSITORY, CACHE, release=True)
        boot.ran(places.REPOSITORY, folder, _commands(programs), LIMIT, "hold connections in a guest", arguments=ARGUMENTS)
    found = table(_said(folder), boot.kernel_of(folder), described)
    print(found, end="")
    if is_kept:
        places.FIGURES.write_text(written(places.FIGURES.read_text(), found))
    else:
        print("what is in the working tree is not all committed: nothing of this run is kept in the repository")
    return 0


def _commands(programs):
    return ["export NETSIM_PATIENCE=10", "ulimit -n 65536",
            f"{shlex.quote(str(programs / 'figures'))} memory >/results/memory.txt 2>/results/memory.errors", "echo $? >/results/code"]


def _said(folder):
    code = boot.text(folder / "code").strip()
    if code != "0":
        said = boot.text(folder / "memory.errors").strip().splitlines() or ["nothing"]
        raise Trouble(f"cannot hold connections in a guest: figures ended with {code or 'nothing'} and said: {said[-1]}")
    return boot.text(folder / "memory.txt")


def table(said, kernel, described):
    """What `figures memory` printed, as benches/README.md shows it."""
    ways = [(line.split()[0], HELD.findall(line)) for line in said.splitlines() if HELD.search(line)]
    if not ways:
        raise Trouble(f"figures memory printed no figures: {said!r}")
    counts = [int(count) for count, _, _ in ways[0][1]]
    lines = [f"Linux {kernel}, revision {described}, IPv4; bytes a connection, and of them connection tracking's:", "",
             "| way | " + " | ".join(f"{count:,} held" for count in counts) + " |", "|---" * (len(counts) + 1) + "|"]
    for way, held in ways:
        lines.append(f"| {way} | " + " | ".join(f"{int(all_):,}, {int(conntrack):,}" for _, all_, conntrack in held) + " |")
    return "\n".join(lines) + "\n"


def written(readme, found):
    """The README's text with the table in its place."""
    return marked.written(readme, "benches/README.md", BEGIN, END, found)
