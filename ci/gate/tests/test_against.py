"""What a comparison does, with nothing that is built or booted."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from gate import bench, command, counts, document, guest, path, places, revision
from gate.tests.test_packets import case
from gate.tests.test_path import SAME, slower
from guests import needs
from trouble import Trouble

NEW = {**SAME, "seeded": True}
WORSE = slower(NEW, lambda count: count * 1.1)


class Compared(unittest.TestCase):
    """By what each step gives, or by how it fails."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(places, "FOLDER", self.folder))
        for of, name, value in (
                (revision, "commit", "f" * 40), (revision, "is_the_same", False), (revision, "described", "abc"),
                (revision, "messages", "Do more"), (revision, "can_be_built", None), (revision, "counted", Path("program")),
                (revision, "tproxy", Path("tproxy")), (counts, "can_be_had", None), (counts, "counted", {"render": 1000}),
                (needs, "met", None), (needs, "root", None), (guest, "counted", NEW), (bench, "drawn", True),
                (bench, "measured", (0, {"cases": [case("a", 0.99, 1.0, 1.01)]}))):
            self.gives(of, name, value)
        self.enterContext(mock.patch.object(revision, "checked_out", lambda *_: contextlib.nullcontext(Path("source"))))

    def gives(self, of, name, value):
        """What a step gives from now on."""
        how = {"side_effect": value} if callable(value) or isinstance(value, (list, Exception)) else {"return_value": value}
        return self.enterContext(mock.patch.object(of, name, **how))

    def ended(self, *words):
        """The exit code, and what was said."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            code = command.main(["--against", "REV", *words])
        return code, out.getvalue()

    def sections(self):
        """What was written, by the beginning of its title."""
        text = (self.folder / "gate.md").read_text()
        found = json.loads((self.folder / "gate.json").read_text())
        self.assertTrue(all(f"### {title}\n" in text for title in found))
        return {title.partition(" against ")[0]: section for title, section in found.items()}


class Another(Compared):
    """With a revision."""

    def test_as_good_as_before_is_0(self):
        code, _ = self.ended("--counts", "--guest")
        self.assertEqual(code, 0)
        self.assertEqual(set(self.sections()), {"Instructions of the CPU-bound parts", "Instructions of the kernel's path"})

    def test_where_nothing_of_tproxy_differs_that_is_written_too(self):
        self.gives(revision, "is_the_same", True)
        self.gives(needs, "met", Trouble("nothing is needed for that"))
        code, told = self.ended("--counts", "--guest")
        self.assertEqual(code, 0)
        self.assertIn("nothing of tproxy differs from REV", told)
        self.assertIn("nothing of tproxy differs from REV", (self.folder / "gate.md").read_text())
        self.assertEqual(json.loads((self.folder / "gate.json").read_text()),
                         {"Against REV": "nothing of tproxy differs from REV: nothing to compare"})

    def test_worse_is_1_unless_a_message_since_says_why(self):
        self.gives(counts, "counted", lambda _: {"render": 1100} if counts.counted.call_count % 2 else {"render": 1000})
        code, told = self.ended("--counts")
        self.assertEqual(code, 1)
        self.assertIn("no line `Accepts-cost: REASON`", told)
        self.assertEqual(self.sections()["Instructions of the CPU-bound parts"][0]["verdict"], "worse")
        asked = self.gives(revision, "messages", "Do more\n\nAccepts-cost: it checks more")
        code, told = self.ended("--counts")
        self.assertEqual(code, 0)
        self.assertIn("accepted: it checks more", told)
        asked.assert_called_once_with(places.REPOSITORY, "f" * 40)

    def test_a_revision_that_does_not_build_is_not_compared(self):
        def built(source, *_, **__):
            if source == Path("source"):
                raise Trouble("cannot build it: cargo says: error")
            return Path("program")

        self.gives(revision, "counted", built)
        self.gives(revision, "tproxy", built)
        counted = self.gives(guest, "counted", NEW)
        code, told = self.ended("--counts", "--guest")
        self.assertEqual(code, 0, told)
        for section in self.sections().values():
            self.assertEqual(section, "REV does not build: not compared; cannot build it: cargo says: error")
        # This one alone.
        self.assertIsNone(counted.call_args.args[3])
        measured = self.gives(bench, "measured", (0, {"cases": []}))
        self.assertEqual(self.ended()[0], 0)
        measured.assert_called_once_with()
        self.assertIn("REV does not build", self.sections()["Processor time of packets"])

    def test_a_revision_that_cannot_be_counted_is_not_compared(self):
        self.gives(counts, "counted", [{"render": 1000}, Trouble("cannot count render")])
        self.assertEqual(self.ended("--counts")[0], 0)
        self.assertEqual(self.sections()["Instructions of the CPU-bound parts"],
                         "REV cannot be counted: not compared; cannot count render")

    def test_what_this_revision_cannot_build_fails_whatever_the_other_can(self):
        for both in (False, True):
            self.gives(revision, "counted", lambda source, *_, both=both: Path("program") if source == Path("source") and not both
                       else (_ for _ in ()).throw(Trouble("cannot build it")))
            code, told = self.ended("--counts")
            self.assertEqual(code, 2)
            self.assertIn("cannot build it", told)

    def test_a_revision_that_does_not_redirect_is_not_compared(self):
        self.gives(guest, "counted", document.OthersVoid("a: 0 of 5 flows"))
        self.assertEqual(self.ended("--guest")[0], 0)
        self.assertEqual(self.sections()["Instructions of the kernel's path"],
                         "REV does not redirect as it claims: not compared; a: 0 of 5 flows")
        self.gives(guest, "counted", document.Void("a: 0 of 5 flows"))
        self.assertEqual(self.ended("--guest")[0], 1)

    def test_what_fails_later_takes_nothing_away_and_nothing_old_is_left(self):
        (self.folder / "gate.md").write_text("stale")
        self.gives(guest, "counted", Trouble("the guest ended"))
        self.assertEqual(self.ended("--counts", "--guest")[0], 2)
        self.assertEqual(set(self.sections()), {"Instructions of the CPU-bound parts"})
        self.assertEqual(self.ended("--guest")[0], 2)
        self.assertFalse((self.folder / "gate.md").exists() or (self.folder / "gate.json").exists())

    def test_what_seems_worse_is_kept_where_it_cannot_be_counted_once_more(self):
        self.gives(guest, "counted", [WORSE, Trouble("the guest ended")])
        self.assertEqual(self.ended("--guest")[0], 2)
        self.assertIn("worse", json.dumps(self.sections()))

    def test_what_seems_worse_stands_where_the_other_revision_fails_the_second_time(self):
        self.gives(guest, "counted", [WORSE, document.OthersVoid("a: 0 of 5 flows")])
        code, told = self.ended("--guest")
        self.assertEqual(code, 1)
        self.assertIn("so that the first count stands: a: 0 of 5 flows", told)
        self.assertIn("worse", json.dumps(self.sections()))

    def test_what_seems_worse_once_is_not(self):
        self.gives(guest, "counted", [WORSE, NEW])
        self.assertEqual(self.ended("--guest")[0], 0)
        self.assertNotIn("worse", json.dumps(self.sections()))
        self.gives(guest, "counted", [WORSE, WORSE])
        self.assertEqual(self.ended("--guest")[0], 1)

    def test_packets_have_a_section_and_no_message_accepts_them(self):
        self.assertEqual(self.ended()[0], 0)
        self.assertEqual(self.sections()["Processor time of packets"][0]["verdict"], "within noise")
        self.gives(bench, "measured", (1, {"cases": [case("a", 1.02, 1.05, 1.08)]}))
        self.gives(revision, "messages", "Do more\n\nAccepts-cost: it checks more")
        self.assertEqual(self.ended()[0], 1)
        self.gives(bench, "measured", (1, {"cases": [{"case": "a", "void": "before: nothing"}]}))
        self.assertEqual(self.ended()[0], 0)
        self.gives(bench, "measured", (101, None))
        self.assertEqual(self.ended()[0], 2)

    def test_what_is_missing_is_told_before_anything_is_built(self):
        (self.folder / "gate.md").write_text("of an earlier run")
        built = [self.gives(revision, name, AssertionError("built")) for name in ("counted", "tproxy")]
        for of, name, words in ((needs, "met", ("--guest",)), (needs, "root", ()), (counts, "can_be_had", ("--counts",)),
                                (counts, "can_be_had", ()), (revision, "can_be_built", ("--counts",))):
            with mock.patch.object(of, name, side_effect=Trouble("it is missing")):
                self.assertEqual(self.ended(*words), (2, "ci/bench: it is missing\n"))
        self.assertFalse(any(each.called for each in built))
        self.assertEqual((self.folder / "gate.md").read_text(), "of an earlier run")


class Earlier(Compared):
    """With a file."""

    def setUp(self):
        super().setUp()
        self.file = self.folder / "earlier.json"
        self.gives(guest, "known", {"build": "release", "qemu": SAME["qemu"], "seeded": True})
        self.alone = {**NEW, "build": "release", "cases": path.without_before(NEW["cases"])}

    def compared(self, earlier):
        self.file.write_text(json.dumps(earlier))
        return self.ended("--against", str(self.file))

    def test_an_earlier_count_is_compared(self):
        self.gives(guest, "counted", self.alone)
        self.assertEqual(self.compared(self.alone)[0], 0)
        self.assertEqual(set(self.sections()), {"Instructions of the kernel's path"})

    def test_what_cannot_be_compared_is_refused_before_a_guest_takes_its_time(self):
        counted = self.gives(guest, "counted", AssertionError("booted"))
        for change, why in (({"seeded": False}, "seeded"), ({"qemu": "9"}, "QEMU 9"), ({"build": "debug"}, "built for speed"),
                            ({"cases": NEW["cases"]}, "two in turn")):
            code, told = self.compared({**self.alone, **change})
            self.assertEqual(code, 2)
            self.assertIn(why, told)
        with mock.patch.object(needs, "met", side_effect=Trouble("needs root")):
            self.assertEqual(self.compared(self.alone), (2, "ci/bench: needs root\n"))
        self.assertFalse(counted.called)


if __name__ == "__main__":
    unittest.main()
