"""What goes together on the command line."""

import os
import unittest

from guests import options
from trouble import Trouble


def checked(*words):
    return options.checked(options.parser().parse_args(words))


class Together(unittest.TestCase):
    def test_what_does_not_is_refused_in_one_sentence_that_names_both(self):
        for words, one, other in (
            (("--tests", "--only", "dns"), "--only", "--tests"),
            (("--core", "--only", "dns"), "--only", "--core"),
            (("--userlands", "--userland", "trixie"), "--userlands", "--userland"),
            (("--shell", "6.1", "--core"), "--shell", "--core"),
            (("--shell", "6.1", "5.10"), "--shell", "VERSION"),
            (("--shell", "6.1", "--limit", "5"), "--shell", "--limit"),
            (("--service", "--only", "dns"), "--service", "--only"),
            (("--service", "--jobs", "2"), "--service", "--jobs"),
            (("--record", "--only", "dns"), "--record", "--only"),
            (("--record", "--tests"), "--record", "--tests"),
        ):
            with self.assertRaisesRegex(Trouble, f"^{one} .*: it goes without {other}$"):
                checked(*words)

    def test_every_name_of_a_clash_is_an_option(self):
        known = {word for action in options.parser()._actions for word in (*action.option_strings, action.metavar)}
        for option, _, others in options.CLASHES:
            self.assertLessEqual({option, *others}, known)

    def test_all_else_goes_together(self):
        for words in (("--userlands", "--smoke", "--record"), ("--service", "--limit", "900", "--record", "6.1"),
                      ("--shell", "6.1", "--userland", "trixie"), ("--only", "dns", "--userland", "trixie", "--jobs", "1")):
            checked(*words)

    def test_what_is_not_said_has_a_meaning(self):
        found = checked("6.1", "5.10", "6.1")
        self.assertEqual((found.set, found.jobs, found.release, found.versions), ("all", os.cpu_count(), False, ["6.1", "5.10"]))
        self.assertTrue(checked("--core", "--record").release)


if __name__ == "__main__":
    unittest.main()
