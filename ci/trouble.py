"""What ends a script of this folder before it can say anything: one sentence for people; and programs that end with it."""

import contextlib
import os
import signal
import subprocess
import threading


class Trouble(Exception):
    """Something that the user can mend; its text is the whole message."""


def sentence(error, place):
    """What people are told of a Trouble, or of an OSError, which may not say at which `place` it was."""
    return f"{error.filename or place}: {error.strerror}" if isinstance(error, OSError) else str(error)


class _Beginning:
    """The moment in which a program is there and not yet known here: an interruption waits until it can be ended."""

    is_now = False
    is_interrupted = False

    def begin(self):
        if _is_interruptible():
            self.is_now = True

    def over(self):
        if _is_interruptible():
            self.is_now = False
            if self.is_interrupted:
                self.is_interrupted = False
                raise KeyboardInterrupt


def _is_interruptible():
    """Whether this is the thread that signals are for."""
    return threading.current_thread() is threading.main_thread()


_beginning = _Beginning()


def end_as_by_ctrl_c():
    """Lets an end by any signal remove what is half made; a second signal does not disturb that. What is ignored stays so."""
    heard = [each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) != signal.SIG_IGN]

    def end(*_):
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        if _beginning.is_now:
            _beginning.is_interrupted = True
        else:
            raise KeyboardInterrupt

    for each in heard:
        signal.signal(each, end)


@contextlib.contextmanager
def group(command, **options):
    """A program in a process group of its own: where the block ends before the program, all of the group is killed."""
    _beginning.begin()
    try:
        with subprocess.Popen(command, process_group=0, **{"stdin": subprocess.DEVNULL, **options}) as process:
            try:
                _beginning.over()
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
    finally:
        _beginning.over()


def run(command, what, **options):
    """Runs a program to its end and returns what it printed; says in one sentence that it could not do `what`.

    Where this program is interrupted meanwhile, that one ends, and with it all that it started.
    """
    text = options.pop("input", None)
    if text is not None:
        options["stdin"] = subprocess.PIPE
    try:
        with group(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
            said, complaint = process.communicate(text)
    except FileNotFoundError:
        raise Trouble(f"cannot {what}: there is no program {command[0]} here") from None
    if process.returncode != 0:
        raise Trouble(f"cannot {what}: {command[0]} says: {last_words(complaint or said)}")
    return said


def last_words(text):
    """The line of a program's complaint that says most: a full disk wherever it is said, else an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for sign in ("No space left on device", "E:", "rror"):
        for line in lines:
            if sign in line:
                return line
    return lines[-1] if lines else "nothing"
