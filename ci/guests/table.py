"""The table of the README: kernel × userland × backend, from results that were recorded.

Pure but for reading and writing the README's text between its marks.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from . import matrix
import marked

BEGIN = "<!-- made by ci/kernels --record from ci/guests/recorded -->"
END = "<!-- end of the table -->"
# What is counted besides backends: the column of privileged tests, and what has no column.
TESTS = "privileged tests"
RELEASE = "ci/release"


def markdown(results):
    """The table, and below it the reason of each gap."""
    services = [result for result in results if result.set == "service"]
    ordered = sorted((result for result in results if result.set != "service"), key=_place)
    cells = [_cells(result) for result in ordered]
    # Privileged tests are run in hours: without them there is no column of theirs.
    columns = sorted({column for row in cells for column in row} - {RELEASE}, key=lambda column: (column == TESTS, column))
    heads = ["Linux", "userland", "iptables", "set", *columns, "seconds", "recorded from"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    notes = []
    for result, its in zip(ordered, cells):
        row = [result.facts.get("kernel", result.kernel), _userland(result), result.facts.get("iptables", "?"),
               _set(result, its.get(RELEASE)), *(_cell(its.get(column), notes) for column in columns), _seconds(result),
               _revision(result)]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    lines += [line for of_release in _of_release(ordered) for line in ("", of_release)]
    lines += [line for result in services for line in ("", _of_service(result))]
    return "\n".join(lines).rstrip() + "\n"


def written(readme, results):
    """The README's text with the table in its place."""
    return marked.written(readme, "README.md", BEGIN, END, markdown(results))


def _set(result, release):
    failed = [f"**ci/release: {release.failed} failed**"] if release and release.failed else []
    return ", ".join([result.set, *failed, *([f"**{result.trouble}**"] if result.trouble else [])])


def _seconds(result):
    beside = result.facts.get("at a time")
    with_ = ["KVM"] * (result.facts.get("accelerator") == "kvm") + [f"{beside} at a time"] * bool(beside)
    return f"{result.seconds} ({', '.join(with_)})" if with_ else str(result.seconds)


def _revision(result):
    revision, date = (result.facts.get(key) for key in ("revision", "date"))
    return f"`{revision}`, {date}" if revision else "–"


def _of_release(ordered):
    """Where the program of ci/release was tried: in all rows, it is hoped."""
    tried = [cells[RELEASE] for cells in map(_cells, ordered) if RELEASE in cells]
    good = [cell for cell in tried if not cell.failed]
    if not tried:
        return []
    return [f"The program of `ci/release` installed, said so and uninstalled without a trace in {len(good)} of {len(ordered)} rows."]


def _of_service(result):
    failed = f", **{len(result.failed)} failed**" if result.failed else ""
    revision = f" ({_revision(result)})" if "revision" in result.facts else ""
    return (f"`packaging/tproxy.service` on Linux {result.facts.get('kernel', result.kernel)} with the systemd of Debian "
            f"{result.facts.get('debian', result.userland)}, a reboot included: {len(result.passed)} checks passed{failed}{revision}.")


def _place(result):
    kernels = [kernel.name for kernel in matrix.KERNELS]
    userlands = [userland.name for userland in matrix.USERLANDS]
    own = result.userland == dict(((k.name, k.suite) for k in matrix.KERNELS)).get(result.kernel)
    return (not own, kernels.index(result.kernel), userlands.index(result.userland) if not own else 0)


def _userland(result):
    own = dict((k.name, k.suite) for k in matrix.KERNELS).get(result.kernel) == result.userland
    if own:
        return f"Debian {result.facts.get('debian', result.userland)}"
    what = next(userland for userland in matrix.USERLANDS if userland.name == result.userland)
    return f"{what.what} (Debian {result.facts.get('debian', what.suite)})"


@dataclass
class Cell:
    """Counts, and reasons by how many variants or tests have them."""

    passed: int = 0
    failed: int = 0
    skipped: Counter = field(default_factory=Counter)
    gaps: Counter = field(default_factory=Counter)


def _cells(result):
    """What is counted, by backend, as tests, and as checks of the release."""
    cells = defaultdict(Cell)
    for name in result.passed:
        cells[_column(name)].passed += 1
    for name in result.failed:
        cells[_column(name)].failed += 1
    for kind in ("skipped", "gaps"):
        for name, reason in getattr(result, kind).items():
            getattr(cells[_column(name)], kind)[_short(reason)] += 1
    return cells


def _column(name):
    """Where a variant, `scenario::backend::family`, or a test, `program path::of::it`, is counted; a program alone is all of its tests."""
    program, _, test = name.partition(" ")
    if program == "release":
        return RELEASE
    variant = name.split("::")
    return variant[1] if not test and len(variant) == 3 and re.fullmatch("ipv[46]", variant[2]) else TESTS


def _cell(cell, notes):
    if not cell:
        return "–"
    parts = [f"{cell.passed} passed" if cell.passed else "–", *([f"**{cell.failed} failed**"] if cell.failed else [])]
    for what, reasons in (("skipped", cell.skipped), ("failed as expected", cell.gaps)):
        for reason, number in sorted(reasons.items()):
            if reason not in notes:
                notes.append(reason)
            parts.append(f"{number} {what} ({notes.index(reason) + 1})")
    return ", ".join(parts)


def _short(reason):
    """The first sentence of a reason."""
    return reason.splitlines()[0].rstrip(".") + "." if reason else "no reason was given."
