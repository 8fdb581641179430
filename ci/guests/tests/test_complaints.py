"""Kernels' complaints among all that is printed in a guest."""

import unittest

from guests import complaints


class Complaints(unittest.TestCase):
    def test_what_is_broken_is_found_on_every_kernel(self):
        for line in ("BUG: unable to handle page fault for address: ffff", "watchdog: BUG: soft lockup - CPU#0 stuck for 130s! [ip:1]",
                     "kernel BUG at lib/list_debug.c:56!", "Oops: 0000 [#1] SMP NOPTI", "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2",
                     "WARNING: net/core/dev.c:1 at f+0x1/0x2, CPU#0: ip/1", "general protection fault, probably for address 0x1"):
            for stamp in ("[    1.234567] ", "[12345.678901] ", "[    1.234567][    T1] "):
                self.assertEqual(complaints.found(f"x\n{stamp}{line}\r\n[    9.000000] other\n"), ([line], []), stamp)

    def test_what_time_alone_decides_is_apart(self):
        for line in ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu: rcu_sched kthread starved for 5252 jiffies!",
                     "INFO: task ip:12 blocked for more than 120 seconds.", "BUG: workqueue lockup - pool cpus=0 stuck for 34s!"):
            self.assertEqual(complaints.found(f"[ 1.2] {line}\n"), ([], [line]))

    def test_words_of_what_a_guest_runs_are_none(self):
        for line in ("BUG: so says a test", "failed: Oops", "[WARNING] no user of this host", "[ 1.2] usb: a BUG is not told of",
                     "[ 1.2] Spectre : WARNING: Unprivileged eBPF is enabled", "[ 1.2] tproxy: IN=eth0 OUT= SRC=10.0.0.1"):
            self.assertEqual(complaints.found(line + "\n"), ([], []))

    def test_each_is_told_once(self):
        self.assertEqual(complaints.found("[ 1.0] Oops: 1\n[ 2.0] Oops: 1\n"), (["Oops: 1"], []))


if __name__ == "__main__":
    unittest.main()
