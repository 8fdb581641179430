"""What kernels complain of, in their own words, out of what they printed. Pure."""

import re

# The time since it was booted begins a line of the kernel's, and none of what it runs; newer ones say who it was, too.
LINE = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? (.*?)\s*$", re.MULTILINE)
# What is broken, as it is told since Linux 6.17, too: `WARNING: net/core/dev.c:1 at f+0x1/0x2, CPU#0: ip/1`.
BROKEN = re.compile(r"(\w+: )?(BUG: |kernel BUG at |Oops\b|WARNING: (CPU|.*, CPU#\d)|general protection fault)")
# What a guest also sees when its host is busy or its processor is emulated: told, and held against nobody.
SLOW = re.compile(r"rcu: .*(stall|starved)|BUG: workqueue lockup|INFO: task .* blocked for more than")


def found(text):
    """The lines by which something is broken, and those by which it may only be slow; each once."""
    lines = dict.fromkeys(LINE.findall(text))
    slow = [line for line in lines if SLOW.match(line)]
    return [line for line in lines if BROKEN.match(line) and line not in slow], slow
