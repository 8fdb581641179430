"""Whether KVM can be used: found out by booting, since a device may be there and not work."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from . import job, machine

DEVICE = "/dev/kvm"
FOUND = ("kvm", "tcg")
# Seconds in which a guest that really has KVM is up several times over.
BOOTING = 15


def probed(example, cache):
    """`kvm` or `tcg`: whether this machine boots by KVM; what was found is kept until the host boots again."""
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known = cache / f"accelerator-{boot}"
    if known.exists() and known.read_text() in FOUND:
        return known.read_text()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        (results / "job").write_text("\n".join((f"echo {machine.MARK}", *job.end())))
        tried = replace(example, accelerator="kvm", shares=(machine.Share("results", results, "/results", writable=True),))
        found = "tcg" if machine.run(tried, results / "console.log", BOOTING) else "kvm"
    for old in cache.glob("accelerator-*"):
        old.unlink()
    # A disk that is full leaves a part of a word, which is none of these.
    known.write_text(found)
    return found
