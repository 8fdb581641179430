"""packaging/tproxy.service in a guest that boots systemd: set up as the README says, tried by connections, across a reboot.

A guest that reboots is one whose QEMU ends; it is begun again with the same disk.
"""

import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

from trouble import run

from . import job, machine

HERE = Path(__file__).parent / "service"
# What the guest's root file system has besides.
PACKAGES = ("systemd-sysv", "udev")
# A megabyte is what such a guest writes, the journal apart.
DISK = 256 << 20


# What its results are called.
TESTS = "service"


def tried(made, folder, repository, program, limit):
    """Boots it twice within `limit` seconds, which leave results in the folder; what went wrong with the guest, or None."""
    _laid_out(folder, repository, program)
    disk = folder / "disk"
    end = time.monotonic() + limit
    consoles = [folder / f"console-{boot}.log" for boot in ("first", "second")]
    try:
        with disk.open("wb") as file:
            file.truncate(DISK)
        run(["mke2fs", "-q", "-t", "ext4", str(disk)], "make a file system for the guest")
        made = replace(made, disk=disk, arguments=("guest.init=/lib/systemd/systemd", "systemd.show_status=0"))
        for console in consoles:
            trouble = machine.run(made, console, max(0, round(end - time.monotonic())))
            if trouble:
                return trouble
        return None
    finally:
        disk.unlink(missing_ok=True)
        (folder / "console.log").write_text("".join(it.read_text(errors="replace") for it in consoles if it.exists()))


def _laid_out(folder, repository, program):
    shutil.copytree(HERE / "root", folder / "root", symlinks=True)
    begin = (f"REPOSITORY={shlex.quote(str(repository))}", f"PROGRAM={shlex.quote(str(program))}",
             f"echo {shlex.quote(machine.MARK)} $(uname -r) >/dev/console", job.FACTS,
             "facts >/results/facts", "")
    (folder / "job").write_text("\n".join(begin) + (HERE / "job").read_text())
