"""Runs of guests and what is said of them: to people at once, to machines at the end, whatever happens."""

import contextlib
import time
from dataclasses import replace

from . import collecting, files, needs, results
from trouble import Trouble, sentence

# What a guest's result says until there is one.
NONE_YET = "has no result"


class Unkept(Trouble):
    """Guests were run, and what they did could not be kept or told whole."""


def forgotten(cache):
    """Removes the report of an earlier run, which machines would take for that of one that is refused."""
    with contextlib.suppress(OSError):
        _report(cache).unlink()


def _report(cache):
    return cache / "results/junit.xml"


@contextlib.contextmanager
def reported(all_, cache, repository):
    """Holds the cache for one run; whatever happens in it, machines find its results."""
    needs.met(repository)
    with files.alone(cache):
        try:
            yield
            results.junit(all_, _report(cache))
        except BaseException as error:
            why = f": {sentence(error, cache)}" if str(error) else ""
            unfinished = [replace(result, trouble=NONE_YET + why) if result.trouble == NONE_YET else result for result in all_]
            with contextlib.suppress(OSError):
                results.junit(unfinished, _report(cache))
            if isinstance(error, (OSError, Trouble)) and any(result.trouble != NONE_YET for result in all_):
                raise Unkept(sentence(error, cache)) from error
            raise


def attempted(named, folder, asked, boot):
    """How a guest went that `boot` runs; what goes wrong on this side is its trouble, so that others go on."""
    result = replace(named, trouble="")
    begun = time.monotonic()
    try:
        result.suffer(boot())
        result.seconds = round(time.monotonic() - begun)
        collecting.collect(result, folder, asked)
        results.save(result, folder.parent)
    except (OSError, Trouble) as error:
        result.suffer(sentence(error, folder))
    told(result, folder)
    return result


def told(result, folder):
    """Prints how a guest went, and what failed in it."""
    lines = [result.sentence()]
    lines += [f"    failed: {name}: {why}" for name, why in sorted(result.failed.items())]
    lines += [f"    failed as expected: {name}: {why}" for name, why in sorted(result.gaps.items())]
    lines += [f"    note: {note}" for note in result.notes]
    if not result.is_good():
        lines.append(f"    its console and all it left: {folder}")
    print("\n".join(lines), flush=True)


def concluded(all_, whole):
    """The exit code. What only userlands skip that lack something is no failure."""
    nowhere = results.skipped_everywhere(all_) if whole else {}
    for name, reason in sorted(nowhere.items()):
        print(f"skipped everywhere: {name}: {reason}")
    return 0 if all(result.is_good() for result in all_) and not nowhere else 1
