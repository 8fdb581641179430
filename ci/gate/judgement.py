"""What counts mean. Pure."""

from dataclasses import asdict, dataclass

BETTER, SAME, WORSE = "better", "within noise", "worse"


@dataclass(frozen=True)
class Judged:
    """One thing that was counted in both revisions."""

    what: str
    before: float
    now: float
    verdict: str

    def ratio(self):
        """Of now to before."""
        return self.now / self.before


def judged(before, now, smallest):
    """Everything that both have, by name; what only one has is not compared."""
    return [
        Judged(what, before[what], now[what], verdict(before[what], now[what], smallest))
        for what in sorted(before.keys() & now.keys())
        if before[what] > 0
    ]


def verdict(before, now, smallest):
    """In a word."""
    if now > before * (1 + smallest):
        return WORSE
    return BETTER if now < before * (1 - smallest) else SAME


def markdown(title, all_):
    """A table for a pull request."""
    lines = [f"### {title}", "", "| part | before | now | ratio | |", "|---|---|---|---|---|"]
    lines += [f"| {one.what} | {one.before:,.0f} | {one.now:,.0f} | {one.ratio():.4f} | {one.verdict} |" for one in all_]
    return "\n".join(lines) + "\n"


def plain(all_):
    """Lines for a terminal."""
    return "".join(
        f"{one.verdict:12}  {one.what:16}  {one.before:>14,.0f} → {one.now:>14,.0f}  {one.ratio():.4f}\n" for one in all_
    )


def data(all_):
    """For machines."""
    return [{**asdict(one), "ratio": one.ratio()} for one in all_]


def acceptance(message):
    """The reason for which a commit's message accepts what is worse; None without one."""
    for line in message.splitlines():
        word, colon, reason = line.partition(":")
        if colon and word.strip().lower() == "accepts-cost" and reason.strip():
            return reason.strip()
    return None
