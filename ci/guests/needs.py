"""What guests cannot do without on the host; the packages that have it."""

import os
import platform
import re
import shutil

from . import machine
from trouble import Trouble

# What is called, and the package that has it.
PROGRAMS = {machine.QEMU: "qemu-system-x86", "mmdebstrap": "mmdebstrap", "busybox": "busybox-static", "cpio": "cpio",
            "modprobe": "kmod", "depmod": "kmod", "mke2fs": "e2fsprogs", "apt-get": "apt", "apt-cache": "apt", "apt-config": "apt",
            "dpkg-deb": "dpkg", "unshare": "util-linux", "setpriv": "util-linux", "cargo": "a Rust toolchain"}


def met(repository):
    """Refuses in one sentence, before anything is built or fetched, where guests cannot be."""
    processor()
    root()
    awkward = re.search(r"[\s,:\"']", str(repository))
    if awkward:
        raise Trouble(f"guests cannot be told of the folder {repository}: there is `{awkward[0]}` in its name; move the repository")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise Trouble(f"there is no {program}; install {package}; ci/setup kernels installs all but a Rust toolchain")


def processor():
    """Guests are of the host's kind, since programs are built for both at once."""
    if platform.machine() != machine.PROCESSOR:
        raise Trouble(f"guests run on {machine.PROCESSOR} alone, and this machine is {platform.machine()}")


def root():
    """Root file systems have files of many users."""
    if os.geteuid() != 0:
        raise Trouble("needs root: run it with sudo")
