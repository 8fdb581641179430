"""How guests' runs went: one result a guest, kept as JSON and told as JUnit."""

import json
import xml.etree.ElementTree as xml
from collections import Counter
from dataclasses import asdict, dataclass, field


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
    # What failed as it was expected to, and tests that no guest runs: by name, each with its reason.
    gaps: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    # What people may want to know, and nothing is wrong for.
    notes: list = field(default_factory=list)

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
        counts += f", {len(self.gaps)} failed as expected" * bool(self.gaps) + f", {len(self.left_out)} left out" * bool(self.left_out)
        trouble = f": {self.trouble}" if self.trouble else ""
        return f"{self.kernel} with {self.userland}: {counts}, {self.seconds} seconds{trouble}"


def junit(results, file):
    """All results as one JUnit document."""
    suites = xml.Element("testsuites", name="kernels")
    for result in results:
        skipped = {**result.skipped, **result.left_out, **{name: f"fails as expected: {why}" for name, why in result.gaps.items()}}
        suite = xml.SubElement(suites, "testsuite", name=result.name, time=str(result.seconds),
                               tests=str(len(result.passed) + len(result.failed) + len(skipped) + bool(result.trouble)),
                               failures=str(len(result.failed)), skipped=str(len(skipped)), errors=str(int(bool(result.trouble))))
        for name in result.passed:
            xml.SubElement(suite, "testcase", name=name, classname=result.name)
        for kind, cases in (("failure", result.failed), ("skipped", skipped)):
            for name, message in cases.items():
                case = xml.SubElement(suite, "testcase", name=name, classname=result.name)
                xml.SubElement(case, kind, message=message)
        if result.trouble:
            case = xml.SubElement(suite, "testcase", name="the guest itself", classname=result.name)
            xml.SubElement(case, "error", message=result.trouble)
        if result.notes:
            xml.SubElement(suite, "system-out").text = "\n".join(result.notes)
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
    ran = {name for result in results for name in (*result.passed, *result.failed, *result.gaps)}
    reasons = {}
    for result in results:
        for name, reason in result.skipped.items():
            if name not in ran:
                reasons.setdefault(name, Counter())[reason] += 1
    return {name: counter.most_common(1)[0][0] for name, counter in reasons.items()}
