"""The table tells what was recorded."""

import unittest

from guests import results, table
from trouble import Trouble


class Table(unittest.TestCase):
    def test_each_gap_has_its_reason(self):
        one = results.Result("6.1", "bookworm", "core", {"kernel": "6.1.192-1", "iptables": "1.8.9", "debian": "12.11"},
                             ["a::iptables-nft::ipv4", "a::iptables-nft::ipv6", "nodes life::it_lives"])
        other = results.Result("6.1", "no-ipv6", "smoke", {"kernel": "6.1.192-1", "iptables": "1.8.9", "debian": "12.11"},
                               ["a::iptables-nft::ipv4"], {}, {"a::iptables-nft::ipv6": "the kernel has no IPv6"})
        self.assertEqual(table.markdown([other, one]), """\
| Linux | userland | iptables | set | iptables-nft |
|---|---|---|---|---|
| 6.1.192-1 | Debian 12.11 | 1.8.9 | core | 2 passed |
| 6.1.192-1 | IPv6 off at boot (Debian 12.11) | 1.8.9 | smoke | 1 passed, 1 skipped (1) |

1. the kernel has no IPv6.
""")

    def test_the_service_has_a_line_of_its_own(self):
        one = results.Result("6.1", "bookworm-systemd", "service", {"kernel": "6.1.192-1", "debian": "12.11"}, ["service x"])
        self.assertIn("on Linux 6.1.192-1 with the systemd of Debian 12.11, a reboot included: 1 checks passed.", table.markdown([one]))

    def test_a_failure_is_shown(self):
        one = results.Result("6.1", "bookworm", "core", {}, [], {"a::ebpf::ipv4": "why"})
        self.assertIn("**1 failed**", table.markdown([one]))

    def test_a_readme_without_its_place_is_refused(self):
        with self.assertRaises(Trouble):
            table.written("# tproxy\n", [])


if __name__ == "__main__":
    unittest.main()
