"""Results become JUnit and are kept."""

import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

from guests import results

class Together(unittest.TestCase):
    def test_what_is_skipped_in_every_guest_is_found_with_the_reason(self):
        one = results.Result("5.10", "a", "core", passed=["x"], skipped={"y": "no module", "z": "old"})
        other = results.Result("6.1", "b", "core", passed=["z"], skipped={"x": "new", "y": "no module"})
        self.assertEqual(results.skipped_everywhere([one, other]), {"y": "no module"})

    def test_junit_holds_every_guest_and_its_trouble(self):
        result = results.Result("5.10", "a", "core", passed=["x"], failed={"y": "<why>"}, trouble="its kernel panicked: so")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "junit.xml"
            results.junit([result], file)
            suite = xml.parse(file).getroot()[0]
        self.assertEqual([case.get("name") for case in suite], ["x", "y", "the guest itself"])
        self.assertEqual(suite.find("testcase/failure").get("message"), "<why>")
        self.assertEqual(suite.find("testcase/error").get("message"), "its kernel panicked: so")

    def test_what_failed_as_expected_and_what_no_guest_runs_is_skipped_in_junit_and_no_failure(self):
        result = results.Result("6.1", "a", "core", passed=["x"], gaps={"y": "its kernel"}, left_out={"z": "no browser"}, notes=["slow"])
        self.assertTrue(result.is_good())
        self.assertIn("1 passed, 0 failed, 0 skipped, 1 failed as expected, 1 left out", result.sentence())
        self.assertEqual(results.skipped_everywhere([result]), {})
        with tempfile.TemporaryDirectory() as folder:
            results.junit([result], Path(folder) / "junit.xml")
            suite = xml.parse(Path(folder) / "junit.xml").getroot()[0]
        self.assertEqual((suite.get("tests"), suite.get("skipped"), suite.get("failures")), ("3", "2", "0"))
        self.assertEqual({case.get("name"): case.find("skipped").get("message") for case in suite.iter("testcase")
                          if case.find("skipped") is not None}, {"y": "fails as expected: its kernel", "z": "no browser"})
        self.assertEqual(suite.findtext("system-out"), "slow")

    def test_what_fails_as_expected_somewhere_was_not_skipped_everywhere(self):
        one = results.Result("5.10", "a", "core", gaps={"y": "its kernel"})
        other = results.Result("6.1", "b", "core", skipped={"y": "no program"})
        self.assertEqual(results.skipped_everywhere([one, other]), {})

    def test_results_are_the_same_after_saving_and_loading(self):
        result = results.Result("5.10", "a", "core", {"iptables": "1.8.7"}, ["x"], {"y": "why"}, {"z": "old"}, 7)
        with tempfile.TemporaryDirectory() as folder:
            results.save(result, Path(folder))
            self.assertEqual(results.load(Path(folder)), [result])


if __name__ == "__main__":
    unittest.main()
