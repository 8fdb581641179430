"""Instructions of the CPU-bound parts, by callgrind: the same in every run of one program."""

import re
import shutil
import subprocess

from trouble import Trouble, run

# A change below this is the compiler's whim: code that moved, another inlining.
SMALLEST = 0.005
COLLECTED = re.compile(r"Collected : (\d+)")
MISSING = "cannot count instructions: there is no valgrind; `ci/setup bench` installs it"


def can_be_had():
    """Refuses where nothing can be counted."""
    if shutil.which("valgrind") is None:
        raise Trouble(MISSING)


def parts(program):
    """What a `counted` can count, but for what all parts have in common."""
    return [name for name in run([str(program)], "list parts").split() if name != "nothing"]


def instructions(program, part):
    """How many instructions a part takes, with the start of the process."""
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(program), part]
    try:
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Trouble(MISSING) from error
    found = COLLECTED.search(ended.stderr)
    if ended.returncode != 0 or found is None:
        raise Trouble(f"cannot count {part}: {' '.join(words)} ended with {ended.returncode}: {ended.stderr.strip()[-500:]}")
    return int(found.group(1))


def counted(program):
    """By part, the instructions that are its own."""
    common = instructions(program, "nothing")
    return {part: instructions(program, part) - common for part in parts(program)}
