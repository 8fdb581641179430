"""The table of the README: kernel × userland × backend, from results that were recorded.

Pure but for reading and writing the README's text between its marks.
"""

import re
from collections import Counter, defaultdict

from . import matrix
import marked

BEGIN = "<!-- made by ci/kernels --record from ci/guests/recorded -->"
END = "<!-- end of the table -->"


def markdown(results):
    """The table, and below it the reason of each gap."""
    services = [result for result in results if result.set == "service"]
    ordered = sorted((result for result in results if result.set != "service"), key=_place)
    backends = sorted({backend for result in results for backend in _by_backend(result)})
    heads = ["Linux", "userland", "iptables", "set", *backends, "seconds", "recorded from"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    notes = []
    for result in ordered:
        cells = _by_backend(result)
        row = [result.facts.get("kernel", result.kernel), _userland(result), result.facts.get("iptables", "?"), _set(result),
               *(_cell(cells.get(backend, {}), notes) for backend in backends), _seconds(result), _revision(result)]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    lines += [line for of_release in _of_release(ordered) for line in ("", of_release)]
    lines += [line for result in services for line in ("", _of_service(result))]
    return "\n".join(lines).rstrip() + "\n"


def written(readme, results):
    """The README's text with the table in its place."""
    return marked.written(readme, "README.md", BEGIN, END, markdown(results))


def _set(result):
    return f"{result.set}, **{result.trouble}**" if result.trouble else result.set


def _seconds(result):
    beside = result.facts.get("at a time")
    with_ = ["KVM"] * (result.facts.get("accelerator") == "kvm") + [f"{beside} at a time"] * bool(beside)
    return f"{result.seconds} ({', '.join(with_)})" if with_ else str(result.seconds)


def _revision(result):
    revision, date = (result.facts.get(key) for key in ("revision", "date"))
    return f"`{revision}`, {date}" if revision else "–"


def _of_release(ordered):
    """Where the program of ci/release was tried: in all rows, it is hoped."""
    tried = [result for result in ordered if any(_is_of_release(name) for name in (*result.passed, *result.failed))]
    good = [result for result in tried if not any(_is_of_release(name) for name in result.failed)]
    if not tried:
        return []
    return [f"The program of `ci/release` installed, said so and uninstalled without a trace in {len(good)} of {len(ordered)} rows."]


def _is_of_release(name):
    return name.startswith("release ")


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


def _by_backend(result):
    """Counts and reasons by backend, of scenarios alone: `name::backend::family`."""
    cells = defaultdict(lambda: {"passed": 0, "failed": 0, "skipped": Counter()})
    for kind in ("passed", "failed"):
        for name in getattr(result, kind):
            backend = _backend(name)
            if backend:
                cells[backend][kind] += 1
    for name, reason in result.skipped.items():
        backend = _backend(name)
        if backend:
            cells[backend]["skipped"][_short(reason)] += 1
    return cells


def _backend(name):
    parts = name.split("::")
    return parts[1] if len(parts) == 3 and re.fullmatch(r"ipv[46]", parts[2]) else None


def _cell(cell, notes):
    if not cell:
        return "–"
    text = f"{cell['passed']} passed"
    if not cell["passed"]:
        text = "–"
    if cell["failed"]:
        text += f", **{cell['failed']} failed**"
    for reason, number in sorted(cell["skipped"].items()):
        if reason not in notes:
            notes.append(reason)
        text += f", {number} skipped ({notes.index(reason) + 1})"
    return text


def _short(reason):
    """The first sentence of a reason."""
    return reason.splitlines()[0].rstrip(".") + "." if reason else "no reason was given."
