"""Counts the instructions of the kernel's path: netsim bench in a guest whose clock goes by instructions.

The guest has one kernel, Debian's, whose package version stands with every figure. What the host does meanwhile changes
how long it takes, and nothing else.
"""

import json
import shlex
import time

from guests import build, files, machine, needs
from guests.command import CACHE
from trouble import Trouble, run

from . import boot, document, path

# With fewer of either, a revision differs from itself by as much as shall be found.
ROUNDS = 12
PIECES = 40
# What the kernel says once its random numbers come fast; until then each costs more than a system call.
SEEDED = "crng init done"
# Seconds for all, on a busy host.
LIMIT = 1800


def counted(repository, folder, about, before=None, rounds=ROUNDS, seed=1):
    """The document of what was counted; with `before`, a static tproxy of another revision, of both in turn.

    Figures are taken with programs that are built for speed. A comparison does without, since tproxy does not run while
    instructions are counted, and what netsim takes is the same on both sides.
    """
    needs.met(repository)
    with files.alone(CACHE):
        return document.made(*_run(repository, folder, about, before, rounds, seed))


def known(before=None):
    """What a document will say of how it was counted, as far as it is known before a guest is."""
    qemu = run([machine.QEMU, "--version"], "ask for QEMU's version").splitlines()[0].removeprefix("QEMU emulator version ")
    # Others are refused.
    return {"build": "release" if before is None else "debug", "qemu": qemu, "seeded": True}


def _run(repository, folder, about, before, rounds, seed):
    programs = build.programs(repository, CACHE, release=before is None)
    begun = time.monotonic()
    boot.ran(repository, folder, _commands(programs, before, rounds, seed), LIMIT, "count in a guest", counting=True)
    return _found(folder), {
        **about,
        **known(before),
        "kernel": boot.kernel_of(folder),
        "seconds": round(time.monotonic() - begun),
    }


def _commands(programs, before, rounds, seed):
    words = [str(programs / "netsim"), "bench", "--json", "--seed", str(seed), "--rounds", str(rounds), "--pieces", str(PIECES),
             *(["--against", str(before)] if before else []), *(word for name in path.names() for word in ("--case", name))]
    # A clock that jumps whenever the guest waits for its files makes short work of deadlines.
    return ["export NETSIM_PATIENCE=100", "ulimit -n 65536", f"{shlex.join(words)} >/results/bench.json 2>/results/bench.errors",
            "echo $? >/results/code", f"dmesg | grep '{SEEDED}' >/results/seeded"]


def _found(folder):
    code = boot.text(folder / "code").strip()
    # 1 is what it says of void cases and of those that are worse: both are judged here.
    if code not in ("0", "1"):
        said = boot.text(folder / "bench.errors").strip().splitlines() or ["nothing"]
        raise Trouble(f"cannot count in a guest: netsim bench ended with {code or 'nothing'} and said: {said[-1]}")
    if not boot.text(folder / "seeded"):
        raise Trouble("cannot count in a guest: its kernel has not seeded its random numbers, which then cost more than what is counted")
    return json.loads(boot.text(folder / "bench.json"))
