"""What a guest is told to do: a shell script in the folder of its results."""

import shlex

from . import machine

FACTS = """\
facts() {
    echo "kernel=$(sed 's/.*\\(Debian\\|PREEMPT_DYNAMIC Debian\\) \\([^ ]*\\).*/\\2/' /proc/version)"
    echo "iptables=$(for program in iptables-nft iptables-legacy; do $program --version 2>/dev/null && break; done | sed 's/iptables v\\([^ ]*\\).*/\\1/')"
    echo "nft=$(nft --version 2>/dev/null | sed 's/nftables v\\([^ ]*\\).*/\\1/')"
    echo "debian=$(cat /etc/debian_version)"
}
"""


def script(repository, programs, userland, names, tests=()):
    """The job of a guest: the variants of these names, then tests."""
    chosen = " ".join(f"--only {shlex.quote(name)}" for name in names)
    lines = [
        *_beginning(repository, userland),
        "facts >/results/facts",
        # An emulated guest is slow, and its host may be busy.
        f"export NETSIM_PATIENCE=10 NETSIM_REQUIRE={','.join(userland.required)}",
        # A guest is nobody's machine: what it logs can be read.
        "echo 1 >/proc/sys/net/netfilter/nf_log_all_netns",
        "code=0",
    ]
    if names:
        lines.append(f"{programs}/netsim run scenarios --jobs 1 --format junit --evidence /results/evidence {chosen} "
                     ">/results/scenarios.xml || code=$?")
    for test in tests:
        skips = " ".join(f"--skip {shlex.quote(name)}" for name in test.left_out)
        lines += [
            f"echo guest: {test.name}",
            f"(cd {shlex.quote(str(test.package))} && {shlex.quote(str(test.program))} --test-threads 1 {skips}) "
            f">/results/{test.name}.tests 2>/results/{test.name}.errors || code=$?",
        ]
    return "\n".join([*lines, "echo $code >/results/code", *end()])


def commands(repository, userland, lines):
    """The job of a guest in which something else is done."""
    return "\n".join([*_beginning(repository, userland), "facts >/results/facts", *lines, *end()])


def shell(repository, programs, userland):
    """A shell on the console instead."""
    return "\n".join([
        *_beginning(repository, userland),
        f"PATH={programs}:$PATH",
        "echo 'tproxy and netsim are in PATH; exit ends the guest'",
        "setsid --ctty --wait bash -i </dev/ttyS0 >/dev/ttyS0 2>&1",
        *end(),
    ])


def _beginning(repository, userland):
    return [
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=linux",
        f"echo {shlex.quote(machine.MARK)} $(uname -r)",
        "hostname guest",
        FACTS,
        userland.prelude,
        f"cd {shlex.quote(str(repository))}",
    ]


def end():
    """The last lines of a job: the machine goes off."""
    # The first program must not end before the machine does: that would be a panic. The shell itself is on a device that
    # goes before the machine, so that it may die of the next page it needs.
    return ["sync", "exec /run/busybox sh -c 'echo o >/proc/sysrq-trigger; while :; do /run/busybox sleep 60; done'", ""]
