"""What a full run found, as the README shows it. Pure.

Must never show a rate or a time: they are the machine's. Ratios to the sidecar's work without a redirection carry further.
"""

import marked

BEGIN = "<!-- made by ci/bench -->"
END = "<!-- end of what ci/bench made -->"
# Where the plot lies, seen from README.md.
PLOT = "benches/plot.svg"
WAYS = ("direct", "straight", "iptables-nft", "iptables-legacy", "ebpf")
# The columns: a case without its way, and what people call it.
COLUMNS = (
    ("connections/outbound", "connection, outbound"), ("connections/inbound", "connection, inbound"),
    ("connections/whole", "connection, both"), ("round-trips/outbound", "round trip"), ("bulk/outbound", "MiB there and back"),
    ("queries/outbound", "DNS query"),
)

# What a reader of the last column would take for a gain.
QUERIES = ("DNS queries of `direct` cross to the peer's name server, while those of `straight` are answered by the sidecar itself: there "
           "the two are not comparable.")


def markdown(bench, guest, revision, date):
    """The table, what it was measured with, and the plot; `guest` is what was counted in one, or None."""
    cases = {case["case"]: case["figures"] for case in bench["cases"] if not case.get("void")}
    environment = bench["environment"]
    lines = [
        f"Processor time of pod and peer, in multiples of what the sidecar takes that is called by its own address (`straight`), "
        f"with 95 % intervals; MTU 1500, IPv4. Revision {revision}, {date}, Linux {environment['kernel']}, "
        f"{environment['processor']}:", "",
        "| | " + " | ".join(name for _, name in COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS),
    ]
    lines += [f"| {way} | " + " | ".join(_cell(cases.get(f"{case}/{way}"), way) for case, _ in COLUMNS) + " |" for way in WAYS]
    lines += ["", QUERIES]
    if guest is not None:
        lines += ["", _counted(guest)]
    return "\n".join([*lines, "", f"![processor time of a connection, by backend]({PLOT})"]) + "\n"


def _cell(figures, way):
    if figures is None:
        return "–"
    if way == "straight":
        return "1"
    ratio = figures["both-cpu"]["to-straight"]["ratio"]
    return f"{ratio['median']:.2f} [{ratio['from']:.2f}–{ratio['to']:.2f}]"


def _counted(guest):
    of = {way: guest["instructions"][f"connections/outbound/{way}/1-clients"] for way in WAYS}
    over = ", ".join(f"{(of[way] - of['straight']) / 1000:.1f} with {way}" for way in WAYS[2:])
    return (f"Counted in a guest with Linux {guest['kernel']}, an outbound connection takes {of['straight'] / 1000:.0f} thousand "
            f"instructions straight, and thousands more: {over}.")


def written(readme, table):
    """The README's text with the table in its place."""
    return marked.written(readme, "README.md", BEGIN, END, table)
