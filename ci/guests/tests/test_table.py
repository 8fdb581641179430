"""The table tells what was recorded."""

import unittest

from guests import results, table
from trouble import Trouble


class Table(unittest.TestCase):
    def test_each_gap_has_its_reason(self):
        one = results.Result("6.1", "bookworm", "core", {"kernel": "6.1.192-1", "iptables": "1.8.9", "debian": "12.11"},
                             ["a::iptables-nft::ipv4", "a::iptables-nft::ipv6"], seconds=700)
        one.facts.update({"revision": "0123456789ab", "date": "2026-11-27", "accelerator": "kvm", "at a time": "2"})
        other = results.Result("6.1", "no-ipv6", "smoke", {"kernel": "6.1.192-1", "iptables": "1.8.9", "debian": "12.11"},
                               ["a::iptables-nft::ipv4"], {}, {"a::iptables-nft::ipv6": "the kernel has no IPv6"}, 90)
        self.assertEqual(table.markdown([other, one]), """\
| Linux | userland | iptables | set | iptables-nft | seconds | recorded from |
|---|---|---|---|---|---|---|
| 6.1.192-1 | Debian 12.11 | 1.8.9 | core | 2 passed | 700 (KVM, 2 at a time) | `0123456789ab`, 2026-11-27 |
| 6.1.192-1 | IPv6 off at boot: IPv4 alone (Debian 12.11) | 1.8.9 | smoke | 1 passed, 1 skipped (1) | 90 | – |

1. the kernel has no IPv6.
""")

    def test_privileged_tests_have_a_column_where_they_were_run(self):
        one = results.Result("6.1", "bookworm", "all", {}, ["a::ebpf::ipv4", "nodes life::it_lives"], {"nodes": "it did not end"},
                             {"binary a::b::ipv4": "no dig"})
        other = results.Result("6.12", "trixie", "core", {}, ["a::ebpf::ipv4"])
        text = table.markdown([one, other])
        self.assertIn("| set | ebpf | privileged tests | seconds |", text)
        self.assertIn("| all | 1 passed | 1 passed, **1 failed**, 1 skipped (1) |", text)
        self.assertIn("| core | 1 passed | – |", text)
        self.assertIn("1. no dig.", text)

    def test_what_fails_as_expected_has_its_reason(self):
        one = results.Result("6.1", "bookworm", "core", {}, ["a::ebpf::ipv4"], gaps={"b::iptables-nft::ipv4": "its kernel"})
        text = table.markdown([one])
        self.assertIn("| 1 passed | –, 1 failed as expected (1) |", text)
        self.assertIn("1. its kernel.", text)

    def test_a_release_that_fails_is_shown_in_its_row(self):
        one = results.Result("6.1", "bookworm", "core", {}, ["a::ebpf::ipv4", "release x"], {"release y": "why", "release z": "why"})
        self.assertIn("| core, **ci/release: 2 failed** | 1 passed |", table.markdown([one]))

    def test_the_service_has_a_line_of_its_own(self):
        one = results.Result("6.1", "bookworm-systemd", "service", {"kernel": "6.1.192-1", "debian": "12.11"}, ["service x"])
        self.assertIn("on Linux 6.1.192-1 with the systemd of Debian 12.11, a reboot included: 1 checks passed.", table.markdown([one]))

    def test_where_the_release_was_tried_is_counted(self):
        names = ["release it_installs", "release it_uninstalls"]
        all_ = [results.Result("6.1", "bookworm", "core", {}, names), results.Result("6.1", "trixie", "core"),
                results.Result("6.1", "forky", "core", {}, names[:1], {names[1]: "why"})]
        self.assertIn("\nThe program of `ci/release` installed, said so and uninstalled without a trace in 1 of 3 rows.\n",
                      table.markdown(all_))
        self.assertNotIn("ci/release", table.markdown(all_[1:2]))

    def test_trouble_is_shown(self):
        self.assertIn("| core, **hung** |", table.markdown([results.Result("6.1", "bookworm", "core", trouble="hung")]))

    def test_a_failure_is_shown(self):
        one = results.Result("6.1", "bookworm", "core", {}, [], {"a::ebpf::ipv4": "why"})
        self.assertIn("**1 failed**", table.markdown([one]))

    def test_a_readme_without_its_place_is_refused(self):
        with self.assertRaises(Trouble):
            table.written("# tproxy\n", [])


if __name__ == "__main__":
    unittest.main()
