"""Which variants of scenarios a set means. Pure."""

from collections import defaultdict
from fnmatch import fnmatchcase

from trouble import Trouble


def chosen(listed, scenarios, lacking=()):
    """Of each scenario and backend one variant, the families in turn; all variants where no scenario is named.

    What is lacking, as patterns of `backend::family`, is left to the other family.
    """
    there = [name for name in listed if not is_lacking(name, lacking)]
    if not scenarios:
        return there
    known = {name.partition("::")[0] for name in listed}
    families = defaultdict(list)
    for name in there:
        scenario, backend, _ = name.split("::")
        families[scenario, backend].append(name)
    backends = sorted({backend for _, backend in families})
    names = []
    for number, scenario in enumerate(scenarios):
        if scenario not in known:
            raise Trouble(f"a set of ci/guests/matrix.py names the scenario {scenario}, and there is none")
        of_scenario = [families[scenario, backend] for backend in backends if (scenario, backend) in families]
        # The next backend takes the other family, so that each scenario is driven in both.
        names += [variants[(number + place) % len(variants)] for place, variants in enumerate(of_scenario)]
    return names


def is_lacking(name, lacking):
    """Whether a variant is of a family that its backend has not."""
    return any(fnmatchcase(name.partition("::")[2], pattern) for pattern in lacking)


def lost(listed, scenarios, lacking):
    """What would be chosen if nothing were lacking, and is not."""
    return [name for name in chosen(listed, scenarios) if is_lacking(name, lacking)]


def expected(names, gaps, kernel):
    """Of these variants those that are declared to fail with a kernel, each with its gap."""
    return {name: gap for name in names for gap in gaps if kernel in gap.kernels
            and name.partition("::")[0] == gap.scenario and fnmatchcase(name.partition("::")[2], gap.variants)}
