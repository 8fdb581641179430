"""What `ci/kernels` does: its options become guests, and what these leave becomes results."""

import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from . import accelerator, apt, build, files, job, kernel, machine, matrix, needs, recording, results, root, selection, service
from .asked import Asked
from .attempt import NONE_YET, Unkept, attempted, concluded, forgotten, reported
from .options import LIMITS, checked, parser
from trouble import Trouble, end_as_by_ctrl_c, run, sentence

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / "target/guests"

# How the names of threads begin that wait for guests.
WATCHING = "ci/kernels guest"

# Where system programs are, whatever the caller's PATH says.
SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")


def main(words):
    """Runs what the command line says; the exit code."""
    try:
        options = parser().parse_args(words)
    except SystemExit as end:
        # Help was asked for, else it is refused.
        if end.code:
            forgotten(CACHE)
        raise
    if options.shell is None:
        forgotten(CACHE)
    os.environ["PATH"] = os.pathsep.join((*filter(None, [os.environ.get("PATH")]), *SYSTEM_PATH))
    end_as_by_ctrl_c()
    try:
        options = checked(options)
        if options.shell is not None:
            return enter(guest(options.shell, options.userland))
        return services(options) if options.service else several(options)
    except (Trouble, OSError) as error:
        print(f"ci/kernels: {sentence(error, CACHE)}", file=sys.stderr)
        return 1 if isinstance(error, Unkept) else 2
    except KeyboardInterrupt:
        print("ci/kernels: interrupted; its guests were ended", file=sys.stderr, flush=True)
        return 130


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
        kernels = [named(matrix.KERNELS, name, "kernel") for name in options.versions or [matrix.USERLAND_KERNEL]]
        return [(kernel_, userland) for kernel_ in kernels for userland in matrix.USERLANDS if userland.name != kernel_.suite]
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


def folder_of(result):
    """The folder of a guest's results, with nothing of an earlier run in it."""
    return emptied(CACHE / "results" / result.name)


def emptied(folder):
    """A new folder, whatever was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def several(options):
    """Runs guests, some at a time, and says of each how it went; the exit code."""
    asked = guests(options)
    all_ = [results.Result(kernel_.name, userland.name, options.set, trouble=NONE_YET) for kernel_, userland in asked]
    with reported(all_, CACHE, REPOSITORY):
        facts = {"at a time": str(min(options.jobs, len(asked)))} | (recording.about(REPOSITORY) if options.record else {})
        scripts = jobs(options, asked)
        # Fetched one after the other: two guests may need the same.
        folders = [folder_of(result) for result in all_]
        packages = build.PACKAGES if with_tests(options) else ()
        machines = [prepared(kernel_, userland, folder, packages) for (kernel_, userland), folder in zip(asked, folders)]

        over = threading.Event()

        def one(number):
            folder, built, (script, runs) = folders[number], machines[number], scripts[number]

            def boot():
                (folder / "job").write_text(script)
                return machine.run(built, folder / "console.log", options.limit or LIMITS[options.set], over=over)

            named_ = replace(all_[number], facts={**facts, "accelerator": built.accelerator})
            all_[number] = attempted(named_, folder, runs, boot)

        pool = ThreadPoolExecutor(options.jobs, thread_name_prefix=WATCHING)
        try:
            list(pool.map(one, range(len(machines))))
        finally:
            # Threads that still wait for guests end them. One that was just begun when this was interrupted is not known to the pool.
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for thread in threading.enumerate():
                if thread.name.startswith(WATCHING) and thread.is_alive():
                    thread.join()
        if options.record:
            recording.record(REPOSITORY, all_)
    return concluded(all_, whole=any(userland.is_whole() for _, userland in asked))


def services(options):
    """Tries the systemd unit in guests, one after the other; the exit code."""
    asked = [guest(name, options.userland) for name in options.versions or [matrix.USERLAND_KERNEL]]
    all_ = [results.Result(kernel_.name, f"{userland.name}-systemd", "service", trouble=NONE_YET) for kernel_, userland in asked]
    with reported(all_, CACHE, REPOSITORY):
        facts = recording.about(REPOSITORY) if options.record else {}
        program = build.released(REPOSITORY)
        for number, (kernel_, userland) in enumerate(asked):
            folder = folder_of(all_[number])
            built = prepared(kernel_, userland, folder, service.PACKAGES)
            named_ = replace(all_[number], facts=dict(facts))
            all_[number] = attempted(named_, folder, Asked(tests=(service.TESTS,)), lambda: service.tried(
                built, folder, REPOSITORY, program, options.limit or LIMITS["service"]))
        if options.record:
            recording.record(REPOSITORY, all_)
    return concluded(all_, whole=False)


def with_tests(options):
    """Whether the privileged tests are run, too."""
    return options.set in ("all", "tests") and not options.only


def jobs(options, guests_):
    """What each guest is told to do and what it is held to, with all that it runs built."""
    programs = build.programs(REPOSITORY, CACHE)
    tests = build.tests(REPOSITORY, CACHE) if with_tests(options) else ()
    released = build.released(REPOSITORY) if options.release else None
    listed = scenarios(programs, options) if options.set != "tests" else []
    scenarios_ = matrix.SETS.get(options.set, ())

    def told(kernel_, userland):
        names = selection.chosen(listed, scenarios_, userland.lacking)
        runs = Asked(tuple(names), tuple(test.name for test in tests) + ("release",) * bool(released),
                     dict.fromkeys(selection.lost(listed, scenarios_, userland.lacking), userland.what),
                     build.left_out(tests) if tests else {}, selection.expected(names, matrix.GAPS, kernel_.name))
        return job.script(REPOSITORY, programs, userland, names, tests, released), runs

    return [told(kernel_, userland) for kernel_, userland in guests_]


def scenarios(programs, options):
    """The names of variants, as netsim lists them."""
    only = [word for text in options.only for word in ("--only", text)]
    listed = run([str(programs / "netsim"), "list", str(REPOSITORY / "scenarios"), *only], "list scenarios").split()
    if not listed:
        raise Trouble(f"no variant's name contains {' or '.join(options.only)}")
    return listed


def enter(asked):
    """A shell in a guest; the exit code."""
    needs.met(REPOSITORY)
    kernel_, userland = asked
    with files.alone(CACHE):
        folder = emptied(CACHE / "shell")
        try:
            programs = build.programs(REPOSITORY, CACHE)
            built = prepared(kernel_, userland, folder)
            (folder / "job").write_text(job.shell(REPOSITORY, programs, userland))
            print("Ctrl-A x ends a guest that hangs", flush=True)
            code = machine.enter(built)
            if code == 0 and not (folder / "code").exists():
                print("ci/kernels: the guest ended before its shell did", file=sys.stderr)
                return 1
            return code
        finally:
            shutil.rmtree(folder, ignore_errors=True)
