"""The programs that guests run, built once on the host and static, since older userlands have an older libc."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from trouble import Trouble, group, run

TARGET = "x86_64-unknown-linux-gnu"
# Privileged tests: a package's folder, a test program in it, and what of that is left out of guests, and why.
TESTS = (
    ("netsim", "nodes", {
        "figures::": "they measure, and an emulated processor is none that figures are of",
        "growth::": "a thousand topologies take hours where a second takes fifteen",
    }),
    ("tproxy", "binary", {
        "readme::": "they try that what the README shows is right, which no kernel changes",
        "hostile::": "bad input is refused before any kernel is asked, in time that an emulated processor does not keep",
    }),
)
# What tests call that scenarios do not.
PACKAGES = ("firewalld",)
# Privileged tests that no guest runs at all: a package's folder, a test program in it, and why.
ELSEWHERE = (
    ("netsim", "scenarios", "guests run its variants by netsim itself; the rest tries netsim, and clients that need compilers"),
    ("netsim", "bench", "it measures, and an emulated processor is none that figures are of"),
    ("netsim", "copies", "twenty copies side by side need more processors than a guest has"),
    ("netsim", "envoy", "Envoy is fetched, and guests have no network"),
    ("netsim", "evidence", "it tries what netsim writes of a failure, which no kernel changes"),
    ("netsim", "fuzz", "many random installations take hours where a second takes fifteen"),
    ("netsim", "keep", "it tries what netsim keeps for people, which no kernel changes"),
    ("netsim", "page", "it tries a page in a browser, which guests have not"),
    ("tproxy", "src/host/probe", "it tries how programs that load rules may end, which no kernel changes"),
)


@dataclass(frozen=True)
class Test:
    """A program of tests, and the folder that it is run in."""

    name: str
    package: Path
    program: Path
    left_out: dict


def programs(repository, cache, release=False):
    """The folder with tproxy and netsim; built for speed where figures are taken from them."""
    _cargo(repository, cache, "build", "--bins", *(("--release",) if release else ()))
    return folder(cache, release)


def folder(cache, release=False):
    """Where static programs are built to."""
    return cache / "build" / TARGET / ("release" if release else "debug")


def static(cache, release=False):
    """What cargo is told for them, with `environment`."""
    return ["--target", TARGET, "--target-dir", str(cache / "build"), *(("--release",) if release else ())]


def environment():
    """The environment that they are built in."""
    flags = f"{os.environ.get('RUSTFLAGS', '')} -C target-feature=+crt-static".strip()
    # Half the time of a build with optimisation; in a guest the kernel and iptables are what takes long.
    return {"CARGO_PROFILE_DEV_OPT_LEVEL": "0", **os.environ, "RUSTFLAGS": flags}


def tests(repository, cache):
    """The privileged tests."""
    chosen = [word for _, name, _ in TESTS for word in ("--test", name)]
    told = _cargo(repository, cache, "test", "--no-run", "--message-format=json-render-diagnostics", *chosen)
    built = {}
    for line in told.splitlines():
        message = json.loads(line)
        if message.get("executable") and "test" in message["target"]["kind"]:
            built[message["target"]["name"]] = Path(message["executable"])
    return [Test(name, repository / package, built[name], left_out) for package, name, left_out in TESTS]


def left_out(programs):
    """Tests that no guest runs, by the names that stand in results, and why."""
    parts = {f"{test.name} {part}": why for test in programs for part, why in test.left_out.items()}
    return parts | {name: why for _, name, why in ELSEWHERE}


def released(repository):
    """The program that ci/release makes."""
    elsewhere = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    run([str(repository / "ci/release")], "build the release", env=elsewhere)
    program = repository / "target/release-static/tproxy"
    if not program.exists():
        raise Trouble(f"ci/release left no {program}")
    return program


def _cargo(repository, cache, verb, *words):
    command = ["cargo", verb, "--locked", "--quiet", "--workspace", *words, *static(cache)]
    try:
        with group(command, cwd=repository, env=environment(), stdout=subprocess.PIPE, text=True) as process:
            told, _ = process.communicate()
    except FileNotFoundError:
        raise Trouble("cannot build tproxy: there is no cargo in PATH") from None
    if process.returncode != 0:
        raise Trouble("cannot build tproxy and netsim for the guests: what cargo says stands above")
    return told
