"""The kernel's path of a connection and of a round trip, in instructions: what they are, and what a change of them means.

Pure. Must never compare what was counted with different kernels, or otherwise in different ways.
"""

from statistics import median

from trouble import Trouble

from .judgement import Judged, of_all, verdict

BACKENDS = ("iptables-nft", "iptables-legacy", "ebpf")
WAYS = ("direct", "straight", *BACKENDS)
# What is counted, and what one piece of it is called.
LOADS = {"connections": "connection", "round-trips": "round trip"}
DIRECTIONS = ("outbound", "inbound")
# A change of the whole path that is one, as a part of it: between what rounds differ by in a run of one revision, and 0.02.
WHOLE = 0.01
# A change of what a backend costs more than the sidecar alone that is one, in instructions: likewise, and 4,000.
OVER = 2_000


# Aims: by direction, what iptables may take over straight a connection, which is what Kuma's rules take, and which part of it
# eBPF may.
AIMS = {"outbound": 55_000, "inbound": 44_000}
PART = 5


def names():
    """The cases, as `netsim bench` calls them: one client each, since one processor would only mix several."""
    return [name(load, direction, way) for load in LOADS for direction in DIRECTIONS for way in WAYS]


def name(load, direction, way):
    """A case's name."""
    # One client is what round trips have anyway, and then it is not said.
    return f"{load}/{direction}/{way}" + ("/1-clients" if load == "connections" else "")


def both_revisions(found):
    """Whether another revision was up in the same guest."""
    return any(rounds.get("before") for rounds in found["cases"].values())


def without_before(cases):
    """The same cases, as if no other revision had been up in the guest."""
    return {case: {"now": rounds["now"]} for case, rounds in cases.items()}


def counted(found, which="now"):
    """By case, its instructions: the median of the rounds. What has no backend is the same before and now."""
    return {case: median(rounds.get(which) or rounds["now"]) for case, rounds in found["cases"].items()}


def over_straight(counts):
    """By case with a backend, how many more instructions it takes than the sidecar without any redirection."""
    found = {}
    for load in LOADS:
        for direction in DIRECTIONS:
            straight = counts.get(name(load, direction, "straight"))
            for backend in BACKENDS:
                case = name(load, direction, backend)
                if straight is not None and case in counts:
                    found[case] = counts[case] - straight
    return found


def judged(found):
    """Both revisions of one run."""
    return _judged(counted(found, "before"), counted(found, "now"))


def alike(before, now):
    """Refuses to compare what was counted in another way: then instructions differ without any revision's fault."""
    if before["kernel"] != now["kernel"]:
        raise Trouble(f"cannot compare what was counted with kernel {before['kernel']} and with {now['kernel']}: "
                      "instructions change with the kernel")
    qemu, own = (found.get("qemu", "of an unknown version") for found in (before, now))
    if qemu != own:
        raise Trouble(f"cannot compare what was counted with QEMU {qemu} and with QEMU {own}: instructions change with it")
    # Until this was recorded, guests were not.
    if before.get("seeded", False) != now.get("seeded", False):
        raise Trouble("cannot compare what was counted in a guest whose random numbers were seeded with what was counted in one whose "
                      "were not: those cost more than what is counted")
    if both_revisions(before) != both_revisions(now):
        raise Trouble("cannot compare what was counted of one revision with what was counted of two in turn: instructions change with "
                      "what else is up in the guest")
    if before.get("build", "release") != now.get("build", "release"):
        raise Trouble("cannot compare what was counted with programs that were built for speed and with others")


def compared(before, now):
    """Two runs."""
    alike(before, now)
    return _judged(counted(before), counted(now))


def markdown(found):
    """The table, and how far the aims are reached."""
    counts, over = counted(found), over_straight(counted(found))
    columns = [(load, direction) for load in LOADS for direction in DIRECTIONS]
    lines = [f"Linux {found['kernel']}, revision {found['revision']}, thousands of instructions; behind them those over `straight`:", "",
             "| | " + " | ".join(f"{LOADS[load]}, {direction}" for load, direction in columns) + " |", "|---|" + "---|" * len(columns)]
    for way in WAYS:
        cells = [_cell(counts[name(*column, way)], over.get(name(*column, way))) for column in columns]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    lines += ["", "| instructions a connection over `straight` | counted | aim | |", "|---|---|---|---|"]
    for what, value, aim in aims(over):
        lines.append(f"| {what} | {value:,.0f} | {aim:,.0f} | {'reached' if value <= aim else '**not reached**'} |")
    return "\n".join(lines) + "\n"


def _cell(count, over):
    return f"{count / 1000:.1f}" if over is None else f"{count / 1000:.1f}, {over / 1000:+.1f} ({over / (count - over):+.1%})"


def aims(over):
    """What is aimed at, with what was counted and what it may be."""
    for direction, most in AIMS.items():
        of = {backend: over[name("connections", direction, backend)] for backend in BACKENDS}
        for backend in ("iptables-nft", "iptables-legacy"):
            yield f"{backend}, {direction}", of[backend], most
        yield f"ebpf, {direction}: a fifth of Kuma's rules", of["ebpf"], most / PART
        yield f"ebpf, {direction}: a fifth of the lesser of these", of["ebpf"], min(of["iptables-nft"], of["iptables-legacy"]) / PART


def _judged(before, now):
    def whole(case):
        return Judged(case, before[case], now[case], verdict(before[case], now[case], WHOLE))

    def over(what):
        return Judged(what, over_before[what], over_now[what], _difference(over_before[what], over_now[what]), absolute=True)

    over_before, over_now = ({f"{case} over straight": count for case, count in over_straight(counts).items()}
                             for counts in (before, now))
    return of_all(_redirected(before), _redirected(now), whole) + of_all(over_before, over_now, over)


def _redirected(counts):
    return {case: count for case, count in counts.items() if any(backend in case for backend in BACKENDS)}


def _difference(before, now):
    return verdict(0, now - before, 0, least=OVER)
