"""What guests left: JUnit files of netsim and output of test binaries become one result a guest.

Reads folders of results alone; judges nothing but what they say.
"""

import json
import re
import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Result:
    """How one guest's run went."""

    kernel: str
    userland: str
    set: str
    facts: dict = field(default_factory=dict)
    # By the variant's or test's name: "passed", "failed" or the reason of a skip, and why it failed.
    passed: list = field(default_factory=list)
    failed: dict = field(default_factory=dict)
    skipped: dict = field(default_factory=dict)
    seconds: int = 0
    trouble: str = ""

    @property
    def name(self):
        """The guest's name, and its folder's."""
        return f"{self.kernel}-{self.userland}"

    def suffer(self, trouble):
        """Keeps what went wrong beside what was known to be wrong before; nothing where there is none."""
        self.trouble = "; ".join(filter(None, (self.trouble, trouble)))

    def is_good(self):
        """Whether something ran and nothing went wrong."""
        return bool(self.passed) and not self.failed and not self.trouble

    def sentence(self):
        """A line for people."""
        counts = f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
        trouble = f": {self.trouble}" if self.trouble else ""
        return f"{self.kernel} with {self.userland}: {counts}, {self.seconds} seconds{trouble}"


def collect(result, folder):
    """Adds to a result what its guest left in the folder."""
    for line in _text(folder / "facts").splitlines():
        key, _, value = line.partition("=")
        result.facts[key] = value
    _scenarios(result, folder / "scenarios.xml")
    for tests in sorted(folder.glob("*.tests")):
        _tests(result, tests)
    code = _text(folder / "code").strip()
    if not result.trouble and not code:
        result.trouble = "ended before its job was done"
    if not result.trouble and code != "0" and not result.failed:
        result.trouble = f"the job ended with {code}: {_last_line(folder / 'console.log')}"


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
    tests = re.findall(r"^test (\S+).* \.\.\. (ok|FAILED|ignored)", text, re.MULTILINE)
    _counted(result, file, text, Counter(end for _, end in tests))
    for name, end in tests:
        name = f"{file.stem} {name}"
        if end == "ok":
            result.passed.append(name)
        elif end == "FAILED":
            result.failed[name] = "see " + file.name
    # A test that is skipped says so, and passes.
    for name, reason in re.findall(r"^skipped (\S+): (.*)$", _text(file.with_suffix(".errors")), re.MULTILINE):
        name = f"{file.stem} {name}"
        if name in result.passed:
            result.passed.remove(name)
        result.skipped[name] = reason
    if "test result:" not in text:
        result.failed[file.stem] = "it did not come to its end"


def _counted(result, file, text, ends):
    """Holds what was read against what the runner itself counted: other output may have parted a line."""
    for passed, failed in re.findall(r"^test result: .*?(\d+) passed; (\d+) failed", text, re.MULTILINE)[-1:]:
        for said, end in ((passed, "ok"), (failed, "FAILED")):
            if int(said) != ends[end]:
                result.suffer(f"{file.name} says {said} {end} at its end, and {ends[end]} are to be read")


def junit(results, file):
    """All results as one JUnit document."""
    suites = xml.Element("testsuites", name="kernels")
    for result in results:
        suite = xml.SubElement(suites, "testsuite", name=result.name, time=str(result.seconds),
                               tests=str(len(result.passed) + len(result.failed) + len(result.skipped)),
                               failures=str(len(result.failed)), skipped=str(len(result.skipped)),
                               errors=str(int(bool(result.trouble))))
        for name in result.passed:
            xml.SubElement(suite, "testcase", name=name, classname=result.name)
        for kind, cases in (("failure", result.failed), ("skipped", result.skipped)):
            for name, message in cases.items():
                case = xml.SubElement(suite, "testcase", name=name, classname=result.name)
                xml.SubElement(case, kind, message=message)
        if result.trouble:
            case = xml.SubElement(suite, "testcase", name="the guest itself", classname=result.name)
            xml.SubElement(case, "error", message=result.trouble)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(xml.tostring(suites, encoding="utf-8", xml_declaration=True))


def save(result, folder):
    """Writes a result to a file of its own, from which tables are made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{result.name}.json").write_text(json.dumps(asdict(result), indent=1, sort_keys=True) + "\n")


def load(folder):
    """All results of a folder."""
    return [Result(**json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def skipped_everywhere(results):
    """What ran nowhere, with the reason that was given most often."""
    ran = {name for result in results for name in (*result.passed, *result.failed)}
    reasons = {}
    for result in results:
        for name, reason in result.skipped.items():
            if name not in ran:
                reasons.setdefault(name, Counter())[reason] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in reasons.items()}


def _text(file):
    return Path(file).read_text(errors="replace") if Path(file).exists() else ""


def _last_line(file):
    lines = [line.strip() for line in _text(file).splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
