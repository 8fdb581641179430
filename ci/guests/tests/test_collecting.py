"""What guests leave becomes results, and what they should have left is missed."""

import tempfile
import unittest
from pathlib import Path

from guests import collecting, matrix, results
from guests.asked import Asked

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


def collected(known=None, asked=Asked(), **files):
    result = results.Result("6.1", "bookworm", "core", **(known or {}))
    if "code" in files:
        files.setdefault("kernel_log", "[ 0.0] Linux version 6.1\n")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name.replace("_", ".")).write_text(text)
        collecting.collect(result, Path(folder), asked)
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

    def test_a_test_that_is_ignored_is_skipped_with_its_reason(self):
        text = "test a ... ignored, takes a day\ntest b ... ignored\ntest c ... ok\n\n" \
            "test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured\n"
        result = collected(nodes_tests=text, code="0")
        self.assertEqual((result.skipped, result.trouble), ({"nodes a": "takes a day", "nodes b": "ignored"}, ""))

    def test_a_runner_that_counts_nothing_at_its_end_has_not_ended(self):
        self.assertIn("nodes", collected(nodes_tests="test a ... ok\ntest result: of two boots\n", code="0").failed)

    def test_checks_of_a_script_that_are_missing_are_missed(self):
        text = "test a ... ok\ntest b ... FAILED\ntest result: of {} checks in two boots\n"
        self.assertEqual(collected(service_tests=text.format(2), code="0").trouble, "")
        self.assertEqual(collected(service_tests=text.format(3), code="0").trouble,
                         "service.tests says 3 checks at its end, and 2 are to be read")


NAMES = ("outbound/default::iptables-nft::ipv4", "outbound/default::iptables-nft::ipv6", "outbound/off::iptables-nft::ipv4",
         "outbound/on::iptables-nft::ipv4")


class Missing(unittest.TestCase):
    """What was to run and left nothing is trouble, whatever else went well."""

    def test_of_what_ended_somehow_nothing_is_missing(self):
        self.assertEqual(collected(asked=Asked(NAMES), scenarios_xml=SCENARIOS, code="1").trouble, "")

    def test_each_variant_that_did_not_run_is_named(self):
        result = collected(asked=Asked((*NAMES, "a/x::ebpf::ipv4", "a/y::ebpf::ipv6")), scenarios_xml=SCENARIOS, code="0")
        self.assertEqual(result.trouble, "2 of 6 variants did not run: a/x::ebpf::ipv4, a/y::ebpf::ipv6")

    def test_without_a_report_none_has_run(self):
        for files in ({}, {"scenarios_xml": ""}):
            result = collected(asked=Asked(NAMES), release_tests="test a ... ok\ntest result: 1 passed; 0 failed\n", code="0", **files)
            self.assertFalse(result.is_good())
            self.assertEqual(result.trouble, "left no scenarios.xml: none of 4 variants is known to have run")

    def test_a_program_of_tests_that_left_nothing_is_named(self):
        result = collected({"passed": ["x"]}, Asked(tests=("nodes",)), code="0")
        self.assertEqual(result.trouble, "left no nodes.tests: its tests did not run")

    def test_what_is_not_tried_is_told_with_its_reason(self):
        asked = Asked(NAMES, lacking={"a/x::ebpf::ipv6": "IPv6 off at boot"}, left_out={"nodes figures::": "they measure"})
        result = collected(asked=asked, scenarios_xml=SCENARIOS, code="1")
        self.assertEqual(result.skipped["a/x::ebpf::ipv6"], "IPv6 off at boot")
        self.assertEqual((result.left_out, result.trouble), ({"nodes figures::": "they measure"}, ""))


GAP = matrix.Gap("b", "*", ("6.1",), "no answer", "its kernel")


class Gaps(unittest.TestCase):
    XML = "<testsuite><testcase name='a'/><testcase name='b'>{}</testcase></testsuite>"

    def ended(self, said, code):
        return collected(asked=Asked(("a", "b"), gaps={"b": GAP}), scenarios_xml=self.XML.format(said), code=code)

    def test_what_fails_as_expected_is_no_failure(self):
        for said in ("<failure message='there was no answer'/>", "<error message='no answer'/>"):
            result = self.ended(said, "1")
            self.assertEqual((result.gaps, result.failed, result.trouble), ({"b": "its kernel"}, {}, ""))
            self.assertTrue(result.is_good())

    def test_another_failure_than_the_expected_one_is_a_failure(self):
        result = self.ended("<failure message='segmentation fault'/>", "1")
        self.assertEqual((result.gaps, result.failed), ({}, {"b": "segmentation fault"}))

    def test_an_expected_failure_does_not_explain_how_netsim_ended_by_itself(self):
        result = self.ended("<failure message='no answer'/>", "139")
        self.assertIn("the job ended with 139", result.trouble)

    def test_what_passes_against_expectation_is_trouble(self):
        result = self.ended("", "0")
        self.assertEqual((result.gaps, result.trouble), ({}, "b passes now: remove its gap from ci/guests/matrix.py"))

    def test_what_is_skipped_stays_so(self):
        result = self.ended("<skipped message='no program'/>", "0")
        self.assertEqual((result.gaps, result.skipped, result.trouble), ({}, {"b": "no program"}, ""))


class Kernel(unittest.TestCase):
    def test_a_log_that_is_missing_is_trouble(self):
        result = collected({"passed": ["x"]}, code="0", kernel_log="")
        self.assertEqual(result.trouble, "left no kernel.log: nobody knows whether its kernel complained")

    def test_a_userland_that_could_not_be_made_is_told(self):
        result = collected(console_log="guest: up\nguest: this userland could not be made\n")
        self.assertEqual(result.trouble, "this userland could not be made")

    def test_nothing_that_can_run_is_told(self):
        result = collected(asked=Asked(lacking={"a::ebpf::ipv6": "IPv6 off at boot"}), code="0")
        self.assertEqual(result.trouble, "nothing of what was asked for can run in this userland")

    def test_a_runner_without_a_test_is_trouble(self):
        result = collected({"passed": ["x"]}, code="0", nodes_tests="running 0 tests\n\ntest result: ok. 0 passed; 0 failed\n")
        self.assertEqual(result.trouble, "nodes.tests has no test that ran")

    def test_what_it_complains_of_is_trouble_in_its_words(self):
        log = "[    2.000001] WARNING: CPU: 0 PID: 7 at net/core/dev.c:1 f+0x1/0x2\n"
        result = collected({"passed": ["x"]}, code="0", kernel_log=log, console_log=log.replace("\n", "\r\n"))
        self.assertFalse(result.is_good())
        self.assertEqual(result.trouble, "its kernel complains: WARNING: CPU: 0 PID: 7 at net/core/dev.c:1 f+0x1/0x2")

    def test_a_panic_has_its_cause_beside_it(self):
        result = collected({"trouble": "its kernel panicked: Fatal exception"},
                           console_log="[ 1.2] BUG: kernel NULL pointer dereference, address: 0\n[ 1.3] Oops: 0000 [#1] SMP\n")
        self.assertEqual(result.trouble, "its kernel panicked: Fatal exception; its kernel complains: BUG: kernel NULL pointer "
                         "dereference, address: 0 (and of 1 more: see kernel.log)")

    def test_what_a_busy_host_may_be_guilty_of_is_a_note(self):
        result = collected({"passed": ["x"]}, code="0", kernel_log="[ 99.1] rcu: INFO: rcu_sched self-detected stall on CPU\n")
        self.assertTrue(result.is_good())
        self.assertEqual(result.notes, ["its kernel says, as it may where its host is busy: rcu: INFO: rcu_sched self-detected stall "
                                        "on CPU"])


if __name__ == "__main__":
    unittest.main()
