"""One guest: the command of QEMU, and its life from start to end.

Must never outlive its deadline, nor leave a process: QEMU dies with the program that started it.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

from trouble import Trouble, group

PROCESSOR = "x86_64"
QEMU = f"qemu-system-{PROCESSOR}"
# The job's first line; a kernel that does not come so far in BOOTING seconds has hung.
MARK = "guest: up"
BOOTING = 300
# A host that is busy must not look like a broken timer, nor like a processor that hangs: two minutes are let pass. One processor
# needs no guard against clocks that differ. What is broken ends the guest; what the kernel says is kept whole, also where rules log.
LINE = ("console=ttyS0 quiet log_buf_len=4M panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=60 mitigations=off no_timer_check "
        "tsc=reliable")
# Bytes on a console that nobody writes who is in order; a disk is full soon where a guest says the same without end.
LARGEST = 64 << 20


@dataclass(frozen=True)
class Share:
    """A folder of the host in the guest."""

    tag: str
    host: Path
    guest: str
    writable: bool = False


# An emulated processor, with an instruction that gives random numbers: without it the kernel has nothing to seed its generator
# with, and makes each number anew under a lock, 45,000 instructions a connection and more where NAT chooses a port.
CPU = "qemu64,+rdrand"


@dataclass(frozen=True)
class Machine:
    """What a guest is made of."""

    kernel: object
    root: Path
    shares: tuple
    accelerator: str = "tcg"
    arguments: tuple = field(default=())
    memory: int = 2048
    # What the guest writes is kept there, from one boot to the next; in its memory otherwise.
    disk: Path | None = None
    # The guest's clock goes by its instructions, a nanosecond each, whatever the host does; where it has nothing to do, it
    # jumps to the next timer.
    counting: bool = False

    def command(self, interactive=False):
        """The command line of QEMU."""
        named = ",".join(f"{s.tag}:{s.guest}:{'rw' if s.writable else 'ro'}" for s in self.shares)
        line = (LINE, f"guest.shares={named}", *(("guest.disk=/dev/vda",) if self.disk else ()), *self.arguments)
        command = [
            QEMU, "-machine", "q35", "-accel", self.accelerator, "-cpu", "host" if self.accelerator == "kvm" else CPU,
            "-smp", "1", "-m", str(self.memory), "-nodefaults", "-no-user-config", "-no-reboot",
            "-display", "none", "-serial", "mon:stdio" if interactive else "stdio",
            "-kernel", str(self.kernel.image), "-initrd", str(self.kernel.initramfs), "-append", " ".join(line),
        ]
        if self.counting:
            command += ["-icount", "shift=0,sleep=off"]
        if self.disk:
            command += ["-drive", f"file={self.disk},format=raw,if=virtio"]
        fixed = (Share("root", self.root, ""), Share("modules", self.kernel.modules, ""))
        for share in (*fixed, *self.shares):
            readonly = "" if share.writable else ",readonly=on"
            command += [
                "-fsdev", f"local,id={share.tag},path={share.host},security_model=none,multidevs=remap{readonly}",
                "-device", f"virtio-9p-pci,fsdev={share.tag},mount_tag={share.tag}",
            ]
        return command


class Interrupted(Exception):
    """A guest was ended since this program shall end."""


def run(machine, console, limit, booting=BOOTING, over=None):
    """Runs a guest until it powers off; its console goes to a file. Returns why it ended otherwise, or None.

    Once the event `over` is set, the guest is ended within a second, and nothing said of it.
    """
    # In a group of its own: Ctrl-C is for this program, which ends the guest.
    with console.open("wb") as output, group(_tied(machine.command()), stdout=output, stderr=subprocess.STDOUT) as process:
        begun = time.monotonic()
        while process.poll() is None:
            if over and over.is_set():
                raise Interrupted
            passed = time.monotonic() - begun
            if passed > limit:
                return f"had not ended after {limit} seconds, and was ended"
            if passed > booting and not is_up(console):
                return f"had not booted after {booting} seconds, and was ended"
            if console.stat().st_size > LARGEST:
                return f"had written more than {LARGEST >> 20} MiB to its console, and was ended"
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
    return ending(console, process.returncode)


def ending(console, code):
    """What a console shows of an end before its time."""
    text = console.read_text(errors="replace")
    panic = re.search(r"Kernel panic - not syncing: (.*)", text)
    if panic:
        return f"its kernel panicked: {panic[1].strip()}"
    if code != 0:
        return f"QEMU ended with {code}: {text.strip().splitlines()[-1] if text.strip() else 'it says nothing'}"
    if not is_up(console):
        return "ended before it had booted"
    return None


def is_up(console):
    """Whether the job has begun."""
    return MARK.encode() in console.read_bytes()


def enter(machine):
    """Runs a guest with this terminal as its console; the terminal is afterwards as it was, however that ends."""
    with _restored(sys.stdin), subprocess.Popen(_tied(machine.command(interactive=True))) as process:
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                _ended(process)


def _ended(process):
    """Ends QEMU; it has some seconds to bring what it holds in order."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()


@contextlib.contextmanager
def _restored(terminal):
    """Gives a terminal back its settings: QEMU makes it raw, and a shell in that echoes nothing."""
    before = termios.tcgetattr(terminal) if terminal.isatty() else None
    try:
        yield
    finally:
        # After a hang-up it may be gone.
        with contextlib.suppress(termios.error):
            if before:
                termios.tcsetattr(terminal, termios.TCSANOW, before)


def _tied(command):
    """A command that the kernel kills when the thread that starts it ends, which waits for it here."""
    if shutil.which(command[0]) is None:
        raise Trouble(f"there is no {command[0]}; install qemu-system-x86")
    # Whoever started it may be gone before the kernel was told.
    return ["setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid()), *command]
