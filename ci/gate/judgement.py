"""What counts mean. Pure."""

from dataclasses import dataclass, replace

BETTER, SAME, WORSE = "better", "within noise", "worse"
# What only one revision has is neither better nor worse, and whoever reads the report shall know of it.
ONLY_BEFORE, ONLY_NOW = "only before", "only now"


@dataclass(frozen=True)
class Judged:
    """One thing that was counted; `absolute` is one that is no whole, of which a ratio says nothing.

    What only one revision has, the other has as None.
    """

    what: str
    before: float | None
    now: float | None
    verdict: str
    absolute: bool = False

    def is_compared(self):
        """Whether both revisions have it."""
        return self.before is not None and self.now is not None

    def ratio(self):
        """Of now to before."""
        return self.now / self.before

    def shown(self, count):
        """A count, for people."""
        return "–" if count is None else f"{count:,.0f}"

    def change(self):
        """What people are told."""
        if not self.is_compared():
            return "–"
        return f"{self.now - self.before:+,.0f}" if self.absolute else f"{self.ratio():.4f}"

    def data(self):
        """For machines."""
        found = {"what": self.what, "before": self.before, "now": self.now, "verdict": self.verdict}
        if not self.is_compared():
            return found
        return {**found, **({"more": self.now - self.before} if self.absolute else {"ratio": self.ratio()})}


def judged(before, now, smallest):
    """Everything that was counted, by name."""
    def one(what):
        return Judged(what, before[what], now[what], verdict(before[what], now[what], smallest))

    found = of_all(dict(sorted(before.items())), dict(sorted(now.items())), one)
    return [each for each in found if not each.is_compared() or each.before > 0]


def of_all(before, now, judge):
    """What `judge` says of each that both have, by its name, and those that only one has."""
    return [judge(what) if what in before and what in now
            else Judged(what, before.get(what), now.get(what), ONLY_BEFORE if what in before else ONLY_NOW)
            for what in {**before, **now}]


def verdict(before, now, smallest, least=0):
    """In a word: what differs by more than a part of what was before, and by more than so much."""
    if now > before * (1 + smallest) + least:
        return WORSE
    return BETTER if now < before * (1 - smallest) - least else SAME


def confirmed(first, second):
    """The first judgement, in which only that is worse which the second calls so, too."""
    told = {one.what for one in second if one.verdict == WORSE}
    return [replace(one, verdict=SAME) if one.verdict == WORSE and one.what not in told else one for one in first]


def worse(all_):
    """Whether anything is."""
    return any(one.verdict == WORSE for one in all_)


def markdown(title, all_):
    """A table for a pull request."""
    lines = [f"### {title}", "", "| part | before | now | change | |", "|---|---|---|---|---|"]
    lines += [f"| {one.what} | {one.shown(one.before)} | {one.shown(one.now)} | {one.change()} | {one.verdict} |" for one in all_]
    return "\n".join(lines) + "\n"


def plain(all_):
    """Lines for a terminal."""
    widest = max((len(one.what) for one in all_), default=0)
    return "".join(
        f"{one.verdict:12}  {one.what:{widest}}  {one.shown(one.before):>14} → {one.shown(one.now):>14}  {one.change()}\n" for one in all_
    )


def data(all_):
    """For machines."""
    return [one.data() for one in all_]


def acceptance(messages):
    """The reasons for which messages of commits accept what is worse; None without one."""
    reasons = []
    for line in messages.splitlines():
        word, colon, reason = line.partition(":")
        if colon and word.strip().lower() == "accepts-cost" and reason.strip():
            reasons.append(reason.strip())
    return "; ".join(reasons) or None
