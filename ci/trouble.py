"""What ends a script of this folder before it can say anything: one sentence for people."""

import subprocess


class Trouble(Exception):
    """Something that the user can mend; its text is the whole message."""


def run(command, what, **options):
    """Runs a program to its end and returns what it printed; says in one sentence that it could not do `what`."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    except FileNotFoundError:
        raise Trouble(f"cannot {what}: there is no program {command[0]} here") from None
    if done.returncode != 0:
        raise Trouble(f"cannot {what}: {command[0]} says: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def last_words(text):
    """The line of a program's complaint that says most: a full disk wherever it is said, else an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for sign in ("No space left on device", "E:", "rror"):
        for line in lines:
            if sign in line:
                return line
    return lines[-1] if lines else "nothing"
