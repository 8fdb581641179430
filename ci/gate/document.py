"""The document of what a guest counted, target/bench/guest.json: made of a bench, and read again. Pure.

Must never take a document that is not whole: whoever compares with it has waited for a guest by then.
"""

import json

from trouble import Trouble

from . import path

# How netsim begins the reason for which the other revision's installation is void, and not this one's.
OTHERS = "before: "
# What may stand beside the counts, and what it is.
FACTS = {"revision": str, "against": str, "build": str, "qemu": str, "seeded": bool}


class Void(Trouble):
    """Something was not redirected as it claims."""


class OthersVoid(Trouble):
    """Only the other revision's installation did not redirect as it claims: this one may be what mends that."""


def made(bench, about):
    """What was counted, out of the JSON of a bench whose clock counted instructions; µs are thousands of them."""
    void = {case["case"]: case["void"] for case in bench["cases"] if case.get("void")}
    own = [f"{case}: {reason}" for case, reason in void.items() if not reason.startswith(OTHERS)]
    if own:
        raise Void(f"not redirected as it claims, so nothing is counted: {'; '.join(own)}")
    if void:
        raise OthersVoid("; ".join(f"{case}: {reason.removeprefix(OTHERS)}" for case, reason in void.items()))
    cases = {}
    for case in bench["cases"]:
        figure = case["figures"]["p50"]
        cases[case["case"]] = {key: [round(1000 * value) for value in figure[word]]
                               for key, word in (("now", "rounds"), ("before", "before")) if figure.get(word)}
    missing = [one for one in path.names() if one not in cases]
    if missing:
        raise Trouble(f"the guest has not counted {', '.join(missing)}")
    return {**about, "cases": cases}


def read(content, what):
    """An earlier document, by the content of its file."""
    try:
        found = json.loads(content)
    # A file that is no text, and one of nothing but brackets, are none, either.
    except (ValueError, RecursionError):
        fault = "it is no JSON"
    else:
        fault = _fault(found)
    if fault:
        raise Trouble(f"{what} is no document of counted instructions, as target/bench/guest.json is one: {fault}")
    return found


def _fault(found):
    """What is wrong with it; None if nothing is."""
    if not isinstance(found, dict) or not isinstance(found.get("cases"), dict):
        return "it has no cases"
    if not isinstance(found.get("kernel"), str) or not found["kernel"]:
        return "it has no kernel's version"
    for key, type_ in FACTS.items():
        if not isinstance(found.get(key, type_()), type_):
            return f"its {key} is no {'text' if type_ is str else 'true or false'}"
    for case in {**dict.fromkeys(path.names()), **found["cases"]}:
        rounds = found["cases"].get(case)
        if not isinstance(rounds, dict) or not _are_counts(rounds.get("now")) or not _are_counts(rounds.get("before", [1])):
            return f"it has no counts of {case}"
    return None


def _are_counts(found):
    return isinstance(found, list) and len(found) > 0 and all(_is_count(one) for one in found)


def _is_count(one):
    # true is a number to Python, and NaN one to its JSON, of which no comparison holds; more than any guest counts could not be divided.
    return isinstance(one, (int, float)) and not isinstance(one, bool) and 0 < one < 1e15
