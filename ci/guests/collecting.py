"""What guests left becomes their results: JUnit files of netsim, output of test binaries, and what the kernel said.

Reads folders of results alone; judges nothing but what they say, and what they should say and do not.
"""

import re
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

from . import complaints, job

# The last line of a runner of tests: Rust's, or a script that knows how many checks it has.
ENDING = re.compile(r"^test result: (?:of (?P<checks>\d+) checks"
                    r"|.*?(?P<ok>\d+) passed; (?P<FAILED>\d+) failed(?:; (?P<ignored>\d+) ignored)?)", re.MULTILINE)


def collect(result, folder, asked):
    """Adds to a result what its guest left in the folder, and what of that which it was asked for is missing."""
    for line in _text(folder / "facts").splitlines():
        key, _, value = line.partition("=")
        result.facts[key] = value
    _scenarios(result, folder / "scenarios.xml")
    for tests in sorted(folder.glob("*.tests")):
        _tests(result, tests)
    result.skipped.update(asked.lacking)
    result.left_out.update(asked.left_out)
    _gaps(result, asked.gaps)
    code = _text(folder / "code").strip()
    if not result.trouble and not code:
        unchanged = job.UNCHANGED in _text(folder / "console.log")
        result.trouble = job.UNCHANGED.removeprefix("guest: ") if unchanged else "ended before its job was done"
    # 1 is what netsim says of variants that failed, as they may be expected to.
    if not result.trouble and not result.failed and code not in ("0", *(("1",) if result.gaps else ())):
        result.trouble = f"the job ended with {code}: {_last_line(folder / 'console.log')}"
    _missing(result, folder, asked)
    _complaints(result, folder)
    if code and not _text(folder / "kernel.log"):
        result.suffer("left no kernel.log: nobody knows whether its kernel complained")
    if not (result.passed or result.failed or result.trouble):
        result.suffer("nothing of what was asked for can run in this userland")


def _gaps(result, gaps):
    """Takes what fails as expected from what failed."""
    for name, gap in gaps.items():
        if gap.says in result.failed.get(name, "") and name in result.failed:
            del result.failed[name]
            result.gaps[name] = gap.reason
        elif name in result.passed:
            result.suffer(f"{name} passes now: remove its gap from ci/guests/matrix.py")


def _missing(result, folder, asked):
    """What was asked for must have ended, however that was."""
    ended = {*result.passed, *result.failed, *result.skipped, *result.gaps}
    missing = [name for name in asked.variants if name not in ended]
    if missing and not _text(folder / "scenarios.xml"):
        result.suffer(f"left no scenarios.xml: none of {len(missing)} variants is known to have run")
    elif missing:
        result.suffer(f"{len(missing)} of {len(asked.variants)} variants did not run: {', '.join(missing)}")
    for name in asked.tests:
        if not (folder / f"{name}.tests").exists():
            result.suffer(f"left no {name}.tests: its tests did not run")


def _complaints(result, folder):
    """What the kernel says on its console; most of it is in its log alone, which the job keeps at its end."""
    broken, slow = complaints.found(_text(folder / "console.log") + "\n" + _text(folder / "kernel.log"))
    if broken:
        result.suffer(f"its kernel complains: {broken[0]}" + f" (and of {len(broken) - 1} more: see kernel.log)" * (len(broken) > 1))
    result.notes += [f"its kernel says, as it may where its host is busy: {line}" for line in slow]


def _scenarios(result, file):
    text = _text(file)
    if not text:
        return
    try:
        root = xml.fromstring(text)
    except xml.ParseError as error:
        result.suffer(f"{file.name} is not whole: {error}")
        return
    for case in root.iter("testcase"):
        name = case.get("name")
        said = {part.tag: part.get("message", "") for part in case}
        if "failure" in said or "error" in said:
            result.failed[name] = said.get("failure", said.get("error"))
        elif "skipped" in said:
            result.skipped[name] = said["skipped"]
        else:
            result.passed.append(name)


def _tests(result, file):
    """Output of Rust's own test runner."""
    text = _text(file)
    tests = re.findall(r"^test (\S+).* \.\.\. (ok|FAILED|ignored)(?:, (.*))?", text, re.MULTILINE)
    if not tests:
        result.suffer(f"{file.name} has no test that ran")
    for name, end, reason in tests:
        name = f"{file.stem} {name}"
        if end == "ok":
            result.passed.append(name)
        elif end == "FAILED":
            result.failed[name] = "see " + file.name
        else:
            result.skipped[name] = reason or "ignored"
    # A test that is skipped says so, and passes.
    for name, reason in re.findall(r"^skipped (\S+): (.*)$", _text(file.with_suffix(".errors")), re.MULTILINE):
        name = f"{file.stem} {name}"
        if name in result.passed:
            result.passed.remove(name)
        result.skipped[name] = reason
    if not _is_whole(result, file, text, Counter(end for _, end, _ in tests)):
        result.failed[file.stem] = "it did not come to its end"


def _is_whole(result, file, text, ends):
    """Whether the runner came to its end; what it counted itself is held against what was read, whose lines others may part."""
    ends["checks"] = sum(ends.values())
    ending = list(ENDING.finditer(text))[-1:]
    for what, said in ((what, said) for end in ending for what, said in end.groupdict().items() if said):
        if int(said) != ends[what]:
            result.suffer(f"{file.name} says {said} {what} at its end, and {ends[what]} are to be read")
    return bool(ending)


def _text(file):
    return Path(file).read_text(errors="replace") if Path(file).exists() else ""


def _last_line(file):
    lines = [line.strip() for line in _text(file).splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
