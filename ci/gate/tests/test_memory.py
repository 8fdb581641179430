"""What held connections take, from what `figures memory` prints."""

import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from gate import memory, places
from trouble import Trouble

SAID = """\
## memory

the kernel's bytes a connection, IPv4; of them connection tracking's

direct            1000 held:   6868     0  10000 held:   6860    -1
iptables-nft      1000 held:  15144   505  10000 held:  15100   500
"""


class Memory(unittest.TestCase):
    """A table of ways."""

    def test_each_way_has_a_line_and_each_number_of_connections_a_column(self):
        found = memory.table(SAID, "6.12.117-1", "abc")
        self.assertIn("Linux 6.12.117-1, revision abc", found)
        self.assertIn("| way | 1,000 held | 10,000 held |\n|---|---|---|\n| direct | 6,868, 0 | 6,860, -1 |\n", found)
        self.assertTrue(found.endswith("| iptables-nft | 15,144, 505 | 15,100, 500 |\n"))

    def test_nothing_printed_is_no_table(self):
        with self.assertRaisesRegex(Trouble, "printed no figures: 'nothing to see'"):
            memory.table("nothing to see", "6.12", "abc")

    def test_what_figures_say_when_they_fail_is_told(self):
        with TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "code").write_text("1\n")
            (folder / "memory.errors").write_text("memory: ebpf: 9999 of 10000 were served\n")
            with self.assertRaisesRegex(Trouble, "ended with 1 and said: memory: ebpf: 9999 of 10000 were served"):
                memory._said(folder)
            (folder / "code").unlink()
            with self.assertRaisesRegex(Trouble, "ended with nothing"):
                memory._said(folder)

    def test_the_readme_has_its_place(self):
        self.assertIn("| direct | 1, 0 |", memory.written(places.FIGURES.read_text(), "| direct | 1, 0 |\n"))


if __name__ == "__main__":
    unittest.main()
