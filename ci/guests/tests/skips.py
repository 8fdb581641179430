"""Tests that cannot run everywhere."""

import sys
import unittest


def unless(condition, reason):
    """Skips a test, and says which: a runner that is told to be quiet does not."""

    def decorated(test):
        if condition:
            return test
        print(f"skipped {test.__module__}.{test.__qualname__}: {reason}", file=sys.stderr)
        return unittest.skip(reason)(test)

    return decorated
