"""What a guest is told to do: a shell script in the folder of its results."""

import shlex

from . import machine

# What a guest says that could not be made what its userland's name says.
UNCHANGED = "guest: this userland could not be made"
FACTS = """\
facts() {
    echo "kernel=$(sed 's/.*\\(Debian\\|PREEMPT_DYNAMIC Debian\\) \\([^ ]*\\).*/\\2/' /proc/version)"
    echo "iptables=$(for program in iptables-nft iptables-legacy; do $program --version 2>/dev/null && break; done | sed 's/iptables v\\([^ ]*\\).*/\\1/')"
    echo "nft=$(nft --version 2>/dev/null | sed 's/nftables v\\([^ ]*\\).*/\\1/')"
    echo "debian=$(cat /etc/debian_version)"
}
"""


def script(repository, programs, userland, names, tests=(), released=None):
    """The job of a guest: the program of ci/release tried, the variants of these names, then tests."""
    chosen = " ".join(f"--only {quoted(name)}" for name in names)
    lines = [
        *_beginning(repository, userland),
        "facts >/results/facts",
        # An emulated guest is slow, and its host may be busy.
        f"export NETSIM_PATIENCE=10 NETSIM_REQUIRE={','.join(userland.required)}",
        # A guest is nobody's machine: what it logs can be read.
        "echo 1 >/proc/sys/net/netfilter/nf_log_all_netns",
        "code=0",
    ]
    if released:
        lines.append(f"unshare --net --mount sh ci/guests/release-job {quoted(released)} "
                     ">/results/release.tests 2>/results/release.errors || code=$?")
    if names:
        lines.append(f"{quoted(programs / 'netsim')} run scenarios --jobs 1 --format junit --evidence /results/evidence {chosen} "
                     ">/results/scenarios.xml || code=$?")
    # They ask for both families at once, and need not find both where something was taken away.
    if tests and not userland.is_whole():
        lines.append("export NETSIM_REQUIRE=root")
    for test in tests:
        skips = " ".join(f"--skip {quoted(name)}" for name in test.left_out)
        lines += [
            f"echo guest: {test.name}",
            f"(cd {quoted(test.package)} && {quoted(test.program)} --test-threads 1 {skips}) "
            f">/results/{test.name}.tests 2>/results/{test.name}.errors || code=$?",
        ]
    # On the console there is little of it: `quiet` keeps warnings away, and time is dear there.
    return "\n".join([*lines, "dmesg >/results/kernel.log", "echo $code >/results/code", *end()])


def commands(repository, userland, lines):
    """The job of a guest in which something else is done."""
    return "\n".join([*_beginning(repository, userland), "facts >/results/facts", *lines, *end()])


def shell(repository, programs, userland):
    """A shell on the console instead."""
    return "\n".join([
        *_beginning(repository, userland),
        f"PATH={quoted(programs)}:$PATH",
        "echo 'tproxy and netsim are in PATH; exit ends the guest'",
        "setsid --ctty --wait bash -i </dev/ttyS0 >/dev/ttyS0 2>&1",
        "echo $? >/results/code",
        *end(),
    ])


def _beginning(repository, userland):
    return [
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=linux",
        f"echo {quoted(machine.MARK)} $(uname -r)",
        "hostname guest",
        FACTS,
        *_changed(userland),
        f"cd {quoted(repository)}",
    ]


def _changed(userland):
    """Makes the suite's root what the userland's name says, or ends."""
    if not userland.prelude:
        return []
    # As a condition, the shell would go on behind a command that fails.
    return [f"(set -e\n{userland.prelude}\n)", "changed=$?", "if [ $changed != 0 ]; then", f"echo '{UNCHANGED}'", *end(), "fi"]


def quoted(word):
    """A word as the shell shall take it."""
    return shlex.quote(str(word))


def end():
    """The last lines of a job: the machine goes off."""
    # The first program must not end before the machine does: that would be a panic. The shell itself is on a device that
    # goes before the machine, so that it may die of the next page it needs.
    return ["sync", "exec /run/busybox sh -c 'echo o >/proc/sysrq-trigger; while :; do /run/busybox sleep 60; done'", ""]
