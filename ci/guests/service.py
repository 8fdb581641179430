"""packaging/tproxy.service in a guest that boots systemd: set up as the README says, tried by connections, across a reboot.

A guest that reboots is one whose QEMU ends; it is begun again with the same disk.
"""

import os
import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

from trouble import Trouble, run

from . import job, machine, results

HERE = Path(__file__).parent / "service"
# What the guest's root file system has besides.
PACKAGES = ("systemd-sysv", "udev")
# Seconds for both boots; a megabyte is what such a guest writes, the journal apart.
LIMIT = 600
DISK = 256 << 20


def tried(name, userland, made, folder, repository, program):
    """How it went, as the result of one guest."""
    _laid_out(folder, repository, program)
    disk = folder / "disk"
    with disk.open("wb") as file:
        file.truncate(DISK)
    run(["mke2fs", "-q", "-t", "ext4", str(disk)], "make a file system for the guest")
    made = replace(made, disk=disk, arguments=("guest.init=/lib/systemd/systemd", "systemd.show_status=0"))
    result = results.Result(name, userland.name, "service")
    begun = time.monotonic()
    for boot in ("first", "second"):
        result.trouble = machine.run(made, folder / f"console-{boot}.log", LIMIT) or ""
        if result.trouble:
            break
    result.seconds = round(time.monotonic() - begun)
    disk.unlink()
    (folder / "console.log").write_text("".join((folder / f"console-{boot}.log").read_text(errors="replace")
                                                for boot in ("first", "second") if (folder / f"console-{boot}.log").exists()))
    results.collect(result, folder)
    return result


def released(repository):
    """The program that ci/release makes."""
    elsewhere = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"}
    run([str(repository / "ci/release")], "build the release", env=elsewhere)
    program = repository / "target/release-static/tproxy"
    if not program.exists():
        raise Trouble(f"ci/release left no {program}")
    return program


def _laid_out(folder, repository, program):
    shutil.copytree(HERE / "root", folder / "root", symlinks=True)
    begin = (f"REPOSITORY={shlex.quote(str(repository))}", f"PROGRAM={shlex.quote(str(program))}",
             f"echo {shlex.quote(machine.MARK)} $(uname -r) >/dev/console", job.FACTS,
             "facts >/results/facts", "")
    (folder / "job").write_text("\n".join(begin) + (HERE / "job").read_text())
