"""The command line of `ci/kernels`."""

import argparse
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from . import accelerator, apt, build, job, kernel, machine, matrix, results, root, selection, service, table
from trouble import Trouble, run

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / "target/guests"
# Seconds that a guest may take, by set; without KVM a guest is fifteen times slower than its host.
LIMITS = {"smoke": 900, "core": 2400, "tests": 2 * 3600, "all": 6 * 3600}

# What guests are made with, and the packages that have it.
PROGRAMS = {machine.QEMU: "qemu-system-x86", "mmdebstrap": "mmdebstrap", "busybox": "busybox-static", "cpio": "cpio",
            "modprobe": "kmod", "depmod": "kmod", "mke2fs": "e2fsprogs"}

TEXT = """\
Boots Debian kernels in QEMU and runs the scenarios there, in the userland of the kernel's own suite. Needs root, and
what `ci/setup kernels` installs.
The guests have no network; what they need is fetched before, and kept below target/guests, as are their logs.
"""
END = """\
exit codes: 0 all passed; 1 something failed, hung or panicked; 2 nothing was run, and the message says why;
130 interrupted
"""


def parser():
    """The options."""
    kernels = ", ".join(k.name for k in matrix.KERNELS)
    it = argparse.ArgumentParser("ci/kernels", description=TEXT, epilog=END,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("versions", nargs="*", metavar="VERSION", help=f"{kernels} [default: all]")
    chosen = it.add_mutually_exclusive_group()
    for name, what in (("smoke", "a handful of scenarios, in a few minutes"),
                       ("core", "one scenario of each feature, in under 10 minutes a kernel")):
        chosen.add_argument(f"--{name}", dest="set", action="store_const", const=name, help=what)
    chosen.add_argument("--tests", dest="set", action="store_const", const="tests", help="the privileged tests alone")
    it.set_defaults(set="all")
    it.add_argument("--userlands", action="store_true",
                    help=f"other userlands, with kernel {matrix.USERLAND_KERNEL}, instead of the kernels with their own")
    it.add_argument("--only", action="append", default=[], metavar="TEXT", help="only variants whose name contains this")
    it.add_argument("--shell", metavar="VERSION", help="a root shell in a guest, instead of a run")
    it.add_argument("--service", action="store_true",
                    help=f"packaging/tproxy.service in guests that boot systemd, a reboot included [default: with {matrix.USERLAND_KERNEL}]")
    it.add_argument("--userland", metavar="NAME", help="the userland instead of the kernel's own: "
                    + ", ".join(u.name for u in matrix.USERLANDS))
    it.add_argument("--jobs", type=positive, default=os.cpu_count(), metavar="NUMBER",
                    help="guests at a time [default: as many as processors]")
    it.add_argument("--limit", type=positive, metavar="SECONDS", help="ends a guest that takes longer")
    it.add_argument("--record", action="store_true", help="put the results into the table of README.md")
    return it


def positive(text):
    """A number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def main(words):
    """Runs what the command line says; the exit code."""
    options = parser().parse_args(words)
    # Where system programs are, whatever the caller's PATH says.
    os.environ["PATH"] = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"))
    # An end by a signal goes the way of Ctrl-C, so that what is half made is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.shell is not None:
            return enter(guest(options.shell, options.userland))
        return services(options) if options.service else several(options)
    except Trouble as trouble:
        print(f"ci/kernels: {trouble}", file=sys.stderr)
    except OSError as error:
        print(f"ci/kernels: {error.filename or CACHE}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        print("ci/kernels: interrupted; its guests were ended", file=sys.stderr, flush=True)
        # At once: threads still wait for guests, which end with this process.
        os._exit(130)
    return 2


def named(things, name, what):
    """The one of that name."""
    for thing in things:
        if thing.name == name:
            return thing
    there = ", ".join(thing.name for thing in things)
    raise Trouble(f"there is no {what} {name}: there are {there}")


def guest(version, userland):
    """A kernel with a userland, by their names."""
    found = named(matrix.KERNELS, version, "kernel")
    return found, matrix.own(found) if userland is None else named(matrix.USERLANDS, userland, "userland")


def guests(options):
    """All that are asked for."""
    if options.userlands:
        names = options.versions or [matrix.USERLAND_KERNEL]
        return [guest(name, userland.name) for name in names for userland in matrix.USERLANDS]
    names = options.versions or [k.name for k in matrix.KERNELS]
    return [guest(name, options.userland) for name in names]


def prepared(kernel_, userland, folder, packages=()):
    """The machine of a guest, with all that it needs fetched."""
    suite = apt.Suite(kernel_.suite, CACHE / "apt" / kernel_.suite)
    shares = (machine.Share("repository", REPOSITORY, str(REPOSITORY)),
              machine.Share("results", folder, "/results", writable=True))
    made = machine.Machine(kernel.files(kernel_, suite, CACHE / "kernels"), root.folder(userland.suite, CACHE / "roots", packages),
                           shares, arguments=userland.arguments)
    return replace(made, accelerator=accelerator.probed(made, CACHE))


def emptied(folder):
    """The folder, with nothing of an earlier run in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def several(options):
    """Runs guests, some at a time, and says of each how it went."""
    asked = guests(options)
    needs_root()
    needed()
    programs = build.programs(REPOSITORY, CACHE)
    tests = build.tests(REPOSITORY, CACHE) if options.set in ("all", "tests") and not options.only else ()
    names = variants(programs, options) if options.set != "tests" else ()
    limit = options.limit or LIMITS[options.set]
    # Fetched one after the other: two guests may need the same.
    machines = []
    for kernel_, userland in asked:
        folder = emptied(CACHE / "results" / f"{kernel_.name}-{userland.name}")
        machines.append((kernel_, userland, folder, prepared(kernel_, userland, folder)))

    def one(item):
        kernel_, userland, folder, built = item
        (folder / "job").write_text(job.script(REPOSITORY, programs, userland, names, tests))
        result = results.Result(kernel_.name, userland.name, options.set)
        begun = time.monotonic()
        result.trouble = machine.run(built, folder / "console.log", limit) or ""
        result.seconds = round(time.monotonic() - begun)
        results.collect(result, folder)
        results.save(result, CACHE / "results")
        told(result, folder)
        return result

    pool = ThreadPoolExecutor(options.jobs)
    try:
        all_ = list(pool.map(one, machines))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if options.record:
        record(all_)
    return concluded(all_, whole=any(userland.is_whole() for _, userland in asked))


def services(options):
    """Tries the systemd unit in guests, one after the other."""
    asked = [guest(name, options.userland) for name in options.versions or [matrix.USERLAND_KERNEL]]
    needs_root()
    needed()
    program = service.released(REPOSITORY)
    all_ = []
    for kernel_, userland in asked:
        userland = replace(userland, name=f"{userland.name}-systemd")
        folder = emptied(CACHE / "results" / f"{kernel_.name}-{userland.name}")
        built = prepared(kernel_, userland, folder, service.PACKAGES)
        result = service.tried(kernel_.name, userland, built, folder, REPOSITORY, program)
        results.save(result, CACHE / "results")
        told(result, folder)
        all_.append(result)
    if options.record:
        record(all_)
    return concluded(all_, whole=False)


def variants(programs, options):
    """The names of the variants to run, as netsim lists them."""
    only = [word for text in options.only for word in ("--only", text)]
    listed = run([str(programs / "netsim"), "list", str(REPOSITORY / "scenarios"), *only], "list scenarios").split()
    return listed if only else selection.chosen(listed, matrix.SETS[options.set])


def told(result, folder):
    """Prints how a guest went, and what failed in it."""
    lines = [result.sentence()]
    lines += [f"    failed: {name}: {why}" for name, why in sorted(result.failed.items())]
    if not result.is_good():
        lines.append(f"    its console and all it left: {folder}")
    print("\n".join(lines), flush=True)


def record(all_):
    """Keeps results in the repository, and makes the README's table anew of all that are kept."""
    folder = REPOSITORY / "ci/guests/recorded"
    for result in all_:
        results.save(result, folder)
    readme = REPOSITORY / "README.md"
    readme.write_text(table.written(readme.read_text(), results.load(folder)))


def concluded(all_, whole):
    """Writes what machines read; the exit code. What only userlands skip that lack something is no failure."""
    results.junit(all_, CACHE / "results/junit.xml")
    nowhere = results.skipped_everywhere(all_) if whole else {}
    for name, reason in sorted(nowhere.items()):
        print(f"skipped everywhere: {name}: {reason}")
    return 0 if all(result.is_good() for result in all_) and not nowhere else 1


def enter(asked):
    """A shell in a guest."""
    needs_root()
    needed()
    kernel_, userland = asked
    folder = emptied(CACHE / "shell")
    programs = build.programs(REPOSITORY, CACHE)
    built = prepared(kernel_, userland, folder)
    (folder / "job").write_text(job.shell(REPOSITORY, programs, userland))
    try:
        return machine.enter(built)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def needed():
    """Refuses before anything is built or fetched where a program is missing."""
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise Trouble(f"there is no {program}; install {package}, or run ci/setup kernels, which installs all that is needed")


def needs_root():
    """Root file systems have files of many users."""
    if os.geteuid() != 0:
        raise Trouble("needs root: run it with sudo")
