"""Which variants of scenarios a set means. Pure."""

from collections import defaultdict

from trouble import Trouble


def chosen(listed, scenarios):
    """Of each scenario and backend one variant, the families in turn; all variants where no scenario is named."""
    if not scenarios:
        return list(listed)
    families = defaultdict(list)
    for name in listed:
        scenario, backend, _ = name.split("::")
        families[scenario, backend].append(name)
    backends = sorted({backend for _, backend in families})
    names = []
    for number, scenario in enumerate(scenarios):
        of_scenario = [families[scenario, backend] for backend in backends if families[scenario, backend]]
        if not of_scenario:
            raise Trouble(f"a set of ci/guests/matrix.py names the scenario {scenario}, and there is none")
        # The next backend takes the other family, so that each scenario is driven in both.
        names += [variants[(number + place) % len(variants)] for place, variants in enumerate(of_scenario)]
    return names
