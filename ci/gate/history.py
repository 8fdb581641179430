"""What full runs found, a line each: benches/history.jsonl. And the table of the last in benches/README.md. Pure.

Must never keep what a machine's mood decides: rates and tails stay in the run's own files.
"""

import json

import marked

BEGIN = "<!-- made by ci/bench -->"
END = "<!-- end of what ci/bench made -->"


def line(bench, guest, parts, revision, date):
    """One run's line; `guest` is what was counted in one, and `parts` the instructions of CPU-bound parts, or None."""
    environment = bench["environment"]
    entry = {
        "revision": revision, "date": date, "kernel": environment["kernel"], "processor": environment["processor"],
        # Processor time of pod and peer, in µs a piece.
        "cpu": {case["case"]: round(case["figures"]["both-cpu"]["spread"]["median"], 2)
                for case in bench["cases"] if not case.get("void")},
        **({"programs": bench["programs"]} if bench.get("programs") else {}),
    }
    if guest is not None:
        entry["guest"] = {key: guest[key] for key in ("kernel", "seeded", "instructions")}
    if parts is not None:
        entry["parts"] = parts
    return json.dumps(entry, ensure_ascii=False) + "\n"


def written(readme, table):
    """The README's text with the table in its place."""
    return marked.written(readme, "benches/README.md", BEGIN, END, table)
