"""What the command line of `ci/kernels` may say, and what does not go together in it."""

import argparse
import os

from . import matrix
from trouble import Trouble

TEXT = """\
Boots Debian kernels in QEMU and runs the scenarios there, in the userland of the kernel's own suite. Needs root, and
what `ci/setup kernels` installs. Hosts and guests are machines of x86_64 alone.
The guests have no network; what they need is fetched before, and kept below target/guests, as are their logs. To have
newer kernels and root file systems fetched: rm -r target/guests/kernels target/guests/roots
"""
END = """\
exit codes: 0 all passed, and failed where ci/guests/matrix.py expects it; 1 something failed, hung, panicked or did not run,
or results could not be kept; 2 nothing was run, and the message says why; 130 interrupted
"""
# Seconds that a guest may take, by set; without KVM a guest is fifteen times slower than its host.
LIMITS = {"smoke": 900, "core": 2400, "tests": 2 * 3600, "all": 6 * 3600, "service": 600}
# An option, why it stands alone, and what it goes without.
CLASHES = (
    ("--shell", "is instead of a run", ("VERSION", "--smoke", "--core", "--tests", "--userlands", "--only", "--service",
                                        "--jobs", "--limit", "--record", "--release")),
    ("--service", "is tried by itself, in one guest after the other", ("--smoke", "--core", "--tests", "--userlands", "--only",
                                                                       "--jobs", "--release")),
    ("--userlands", "means them all", ("--userland",)),
    ("--only", "chooses among all scenarios, and runs no test", ("--smoke", "--core", "--tests")),
    ("--record", "is for whole sets of scenarios", ("--only", "--tests")),
)


def parser():
    """The options."""
    kernels = ", ".join(k.name for k in matrix.KERNELS)
    it = argparse.ArgumentParser("ci/kernels", description=TEXT, epilog=END, allow_abbrev=False,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("versions", nargs="*", metavar="VERSION", help=f"{kernels} [default: all]")
    chosen = it.add_mutually_exclusive_group()
    for name, what in (("smoke", "a handful of scenarios, in a few minutes"),
                       ("core", "some scenarios of each feature; README.md shows how long they took"),
                       ("tests", "the privileged tests alone")):
        chosen.add_argument(f"--{name}", dest="set", action="store_const", const=name, help=what)
    it.add_argument("--userlands", action="store_true",
                    help=f"other userlands, with kernel {matrix.USERLAND_KERNEL}, instead of the kernels with their own")
    it.add_argument("--only", action="append", default=[], metavar="TEXT", help="only variants whose name contains this")
    it.add_argument("--release", action="store_true", help="also try what ci/release builds, in each guest")
    it.add_argument("--shell", metavar="VERSION", help="a root shell in a guest, instead of a run")
    it.add_argument("--service", action="store_true",
                    help=f"packaging/tproxy.service in guests that boot systemd, a reboot included [default: with {matrix.USERLAND_KERNEL}]")
    it.add_argument("--userland", metavar="NAME", help="the userland instead of the kernel's own: "
                    + ", ".join(u.name for u in matrix.USERLANDS))
    it.add_argument("--jobs", type=positive, metavar="NUMBER", help="guests at a time [default: as many as processors]")
    it.add_argument("--limit", type=positive, metavar="SECONDS", help="ends a guest that takes longer [default: "
                    + ", ".join(f"{name} {seconds}" for name, seconds in LIMITS.items()) + "]")
    it.add_argument("--record", action="store_true", help="put the results into the table of README.md; includes --release")
    return it


def positive(text):
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def checked(options):
    """Options that go together, with what is meant where nothing was said."""
    given = {_name(key, value) for key, value in vars(options).items() if value not in (None, False, [])}
    for option, why, others in CLASHES:
        for other in others:
            if option in given and other in given:
                raise Trouble(f"{option} {why}: it goes without {other}")
    options.set = options.set or "all"
    options.jobs = options.jobs or os.cpu_count()
    options.release = options.release or options.record
    options.versions = list(dict.fromkeys(options.versions))
    return options


def _name(key, value):
    return {"versions": "VERSION", "set": f"--{value}"}.get(key, f"--{key}")
