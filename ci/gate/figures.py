"""What a full run found of packets and of processes, as benches/README.md shows it. Pure.

Must never show a figure without its spread.
"""

import marked

WHERE = "benches/README.md"
PACKETS = ("<!-- packets, made by ci/bench -->", "<!-- end of packets -->")
PROCESSES = ("<!-- processes, made by ci/bench -->", "<!-- end of processes -->")
PARTS = ("<!-- parts, made by ci/bench -->", "<!-- end of parts -->")
# What is done once for each figure (tproxy/examples/counted.rs).
WORK = {
    "configuration": "a small configuration read and resolved, 100 times",
    "exclusions": "1,000 excluded networks read, resolved and planned",
    "render": "both of these rendered for both families, with all that is needed for it",
    "verdicts": "256 verdicts on a plan with 1,000 excluded networks, and the making of it",
    "saved-rules": "what iptables-save shows of 500 chains and 500 rules of others, parsed",
}
# The cases that are shown, in groups: whoever wants the others has them on the page.
GROUPS = (
    ("connections/outbound", ("", "/10-exclusions", "/100-exclusions", "/1000-exclusions", "/10000-exclusions")),
    ("connections/inbound", ("",)), ("connections/whole", ("",)), ("connections/outbound/ipv6", ("",)),
    ("round-trips/outbound", ("",)), ("queries/outbound", ("",)), ("bulk/outbound", ("",)), ("bulk/outbound/mtu-65535", ("",)),
)
WAYS = ("direct", "straight", "iptables-nft", "iptables-legacy", "ebpf", "iptables-nft-sidecar", "iptables-legacy-sidecar", "ebpf-sidecar")

# A run in which nothing was measured.
NOTHING = {"environment": {"kernel": "", "processor": "", "processors": 0, "load": ""}, "load-after": "", "rounds": 0, "cases": []}


def written(readme, bench, revision, date):
    """The README's text with both tables in their places."""
    readme = marked.written(readme, WHERE, *PACKETS, packets(bench, revision, date))
    return marked.written(readme, WHERE, *PROCESSES, processes(bench))


def packets(bench, revision, date):
    """A line for each case."""
    cases = {case["case"]: case for case in bench["cases"]}
    environment = bench["environment"]
    lines = [
        f"Revision {revision}, {date}, Linux {environment['kernel']}, {environment['processors']} × {environment['processor']}, load "
        f"before {environment['load']}, after {bench['load-after']}; {bench['rounds']} rounds:", "",
        "| case | a second | pod cpu µs | p50, p99 µs | to straight: rate | to straight: pod cpu | more pod cpu µs |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in _names():
        if name in cases:
            lines.append(f"| {name} | " + " | ".join(_cells(cases[name])) + " |")
    return "\n".join(lines) + "\n"


def _names():
    for group, behind in GROUPS:
        load, direction, *unusual = group.split("/")
        for way in WAYS:
            yield from ("/".join([load, direction, way, *unusual]) + more for more in behind)


def _cells(case):
    if case.get("void"):
        return [f"void: {case['void']}", "", "", "", "", ""]
    figures = case["figures"]
    latencies = ", ".join(f"{figures[one]['spread']['median']:.0f}" if one in figures else "–" for one in ("p50", "p99"))
    cpu = figures["pod-cpu"]
    more = cpu.get("to-baseline")
    return [
        _spread(figures["rate"]["spread"], 0), _spread(cpu["spread"], 1), latencies,
        _ratio(figures["rate"]), _ratio(cpu), "" if more is None else f"{_estimate(more['more'], 1)} than {more['with'].split('/', 2)[2]}",
    ]


def processes(bench):
    """A line for each process."""
    lines = ["| the default rules, both families | wall ms | cpu ms |", "|---|---|---|"]
    lines += [f"| {one['what']} | {_spread(one['wall'], 1)} | {_spread(one['cpu'], 1)} |" for one in bench.get("programs", [])]
    return "\n".join(lines) + "\n"


def with_parts(readme, parts, revision):
    """The README's text with the instructions of the CPU-bound parts in their place."""
    lines = [f"Revision {revision}, millions of instructions:", "", "| what | instructions |", "|---|---|"]
    lines += [f"| {WORK.get(name, name)} | {count / 1e6:.2f} |" for name, count in parts.items()]
    return marked.written(readme, WHERE, *PARTS, "\n".join(lines) + "\n")


def _spread(spread, decimals):
    return f"{spread['median']:.{decimals}f} [{spread['low']:.{decimals}f}–{spread['high']:.{decimals}f}]"


def _estimate(estimate, decimals):
    return f"{estimate['median']:.{decimals}f} [{estimate['from']:.{decimals}f}–{estimate['to']:.{decimals}f}]"


def _ratio(figure):
    compared = figure.get("to-straight")
    return "" if compared is None else _estimate(compared["ratio"], 2)
