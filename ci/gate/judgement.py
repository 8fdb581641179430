"""What counts mean. Pure."""

from dataclasses import asdict, dataclass, replace

BETTER, SAME, WORSE = "better", "within noise", "worse"


@dataclass(frozen=True)
class Judged:
    """One thing that was counted in both revisions; `absolute` is one that is no whole, of which a ratio says nothing."""

    what: str
    before: float
    now: float
    verdict: str
    absolute: bool = False

    def ratio(self):
        """Of now to before."""
        return self.now / self.before

    def change(self):
        """What people are told."""
        return f"{self.now - self.before:+,.0f}" if self.absolute else f"{self.ratio():.4f}"


def judged(before, now, smallest):
    """Everything that both have, by name; what only one has is not compared."""
    return [
        Judged(what, before[what], now[what], verdict(before[what], now[what], smallest))
        for what in sorted(before.keys() & now.keys())
        if before[what] > 0
    ]


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
    lines += [f"| {one.what} | {one.before:,.0f} | {one.now:,.0f} | {one.change()} | {one.verdict} |" for one in all_]
    return "\n".join(lines) + "\n"


def plain(all_):
    """Lines for a terminal."""
    widest = max((len(one.what) for one in all_), default=0)
    return "".join(
        f"{one.verdict:12}  {one.what:{widest}}  {one.before:>14,.0f} → {one.now:>14,.0f}  {one.change()}\n" for one in all_
    )


def data(all_):
    """For machines."""
    return [{**{key: value for key, value in asdict(one).items() if key != "absolute"},
             **({"more": one.now - one.before} if one.absolute else {"ratio": one.ratio()})} for one in all_]


def acceptance(message):
    """The reason for which a commit's message accepts what is worse; None without one."""
    for line in message.splitlines():
        word, colon, reason = line.partition(":")
        if colon and word.strip().lower() == "accepts-cost" and reason.strip():
            return reason.strip()
    return None
