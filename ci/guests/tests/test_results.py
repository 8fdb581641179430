"""What guests leave becomes results, tables and JUnit."""

import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

from guests import results

SCENARIOS = """<?xml version="1.0"?>
<testsuites name="netsim"><testsuite name="outbound">
  <testcase name="outbound/default::iptables-nft::ipv4" classname="outbound"/>
  <testcase name="outbound/default::iptables-nft::ipv6" classname="outbound"><skipped message="no IPv6"/></testcase>
  <testcase name="outbound/off::iptables-nft::ipv4" classname="outbound"><failure message="went astray"/></testcase>
  <testcase name="outbound/on::iptables-nft::ipv4" classname="outbound"><error message="no node"/></testcase>
</testsuite></testsuites>
"""
TESTS = """
running 3 tests
test life::it_lives ... ok
test life::it_dies ... FAILED
test life::it_is_skipped ... ok

test result: FAILED. 2 passed; 1 failed
"""


def collected(known=None, **files):
    result = results.Result("6.1", "bookworm", "core", **(known or {}))
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name.replace("_", ".")).write_text(text)
        results.collect(result, Path(folder))
    return result


class Collecting(unittest.TestCase):
    def test_each_variant_is_passed_failed_or_skipped_with_its_reason(self):
        result = collected(scenarios_xml=SCENARIOS, code="1\n", facts="iptables=1.8.9\n")
        self.assertEqual(result.passed, ["outbound/default::iptables-nft::ipv4"])
        self.assertEqual(result.skipped, {"outbound/default::iptables-nft::ipv6": "no IPv6"})
        self.assertEqual(result.failed, {"outbound/off::iptables-nft::ipv4": "went astray",
                                         "outbound/on::iptables-nft::ipv4": "no node"})
        self.assertEqual(result.facts, {"iptables": "1.8.9"})
        self.assertFalse(result.is_good())

    def test_output_of_tests_tells_the_same(self):
        result = collected(nodes_tests=TESTS, nodes_errors="skipped life::it_is_skipped: no tcpdump\n", code="1")
        self.assertEqual(result.passed, ["nodes life::it_lives"])
        self.assertEqual(list(result.failed), ["nodes life::it_dies"])
        self.assertEqual(result.skipped, {"nodes life::it_is_skipped": "no tcpdump"})

    def test_tests_that_are_cut_short_have_failed(self):
        self.assertIn("nodes", collected(nodes_tests="test life::it_lives ... ok\n", code="0").failed)

    def test_a_guest_that_left_nothing_has_not_passed(self):
        result = collected()
        self.assertFalse(result.is_good())
        self.assertEqual(result.trouble, "ended before its job was done")

    def test_a_report_that_is_cut_short_is_said_to_be(self):
        self.assertIn("scenarios.xml is not whole", collected(scenarios_xml=SCENARIOS[:200], code="0").trouble)

    def test_why_a_guest_was_ended_is_kept_beside_what_that_broke(self):
        result = collected({"trouble": "had not ended after 5 seconds"}, scenarios_xml=SCENARIOS[:200])
        self.assertRegex(result.trouble, "^had not ended after 5 seconds; scenarios.xml is not whole: ")

    def test_a_test_whose_line_was_parted_is_missed(self):
        text = "test a ... ok\ntest b ... [what it started says]\nok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n"
        self.assertEqual(collected(nodes_tests=text, code="0").trouble, "nodes.tests says 2 ok at its end, and 1 are to be read")

    def test_a_job_that_fails_without_a_failed_test_is_trouble(self):
        result = collected(code="2", console_log="guest: up\nnetsim: no such file\n")
        self.assertEqual(result.trouble, "the job ended with 2: netsim: no such file")


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

    def test_results_are_the_same_after_saving_and_loading(self):
        result = results.Result("5.10", "a", "core", {"iptables": "1.8.7"}, ["x"], {"y": "why"}, {"z": "old"}, 7)
        with tempfile.TemporaryDirectory() as folder:
            results.save(result, Path(folder))
            self.assertEqual(results.load(Path(folder)), [result])


if __name__ == "__main__":
    unittest.main()
