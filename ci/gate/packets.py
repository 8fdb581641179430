"""What packets cost, out of the JSON of a bench against another revision: processor time of pod and peer. Pure.

Judges as netsim does, in netsim/src/load/judgement.rs.
"""

from dataclasses import dataclass
from statistics import median

from . import document, judgement

# Changes below this say nothing, however sure they are.
SMALLEST = 0.01
VOID, NOT_COMPARED = "void", "not compared"


@dataclass(frozen=True)
class Measured(judgement.Judged):
    """A case's processor time in µs a piece; the ratio is the median of the rounds', with its 95 % interval."""

    estimate: dict | None = None
    # Why there is none.
    reason: str = ""

    def ratio(self):
        return self.estimate["median"]

    def shown(self, count):
        return "–" if count is None else f"{count:,.1f} µs"

    def change(self):
        if self.estimate is None:
            return self.reason
        return "{median:.3f} [{from:.3f}–{to:.3f}]".format(**self.estimate)

    def data(self):
        return {**super().data(), **({"reason": self.reason} if self.estimate is None else {"interval": self.estimate})}


def judged(bench):
    """Each case that has another revision's beside it, and each that did not do what it claims."""
    return [one for one in map(_judged, bench["cases"]) if one is not None]


def failed(all_):
    """Whether anything costs more, or is void by this revision's fault."""
    return any(one.verdict in (judgement.WORSE, VOID) for one in all_)


def _judged(case):
    reason = case.get("void")
    if reason:
        return Measured(case["case"], None, None, NOT_COMPARED if reason.startswith(document.OTHERS) else VOID, reason=reason)
    figure = case["figures"]["both-cpu"]
    if "to-before" not in figure:
        return None
    estimate = figure["to-before"]["ratio"]
    return Measured(case["case"], median(figure["before"]), figure["spread"]["median"], _verdict(estimate), estimate=estimate)


def _verdict(estimate):
    if estimate["from"] > 1 + SMALLEST:
        return judgement.WORSE
    return judgement.BETTER if estimate["to"] < 1 - SMALLEST else judgement.SAME
