"""What a guest is told to run: what it leaves is held against that, so that nothing is good for not having run. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Asked:
    """The runs of one guest, by their names."""

    # Of scenarios.
    variants: tuple = ()
    # Programs of tests, which leave a file of that name each.
    tests: tuple = ()
    # Variants that the userland lacks what they need for, and why.
    lacking: dict = field(default_factory=dict)
    # Tests that no guest runs, and why.
    left_out: dict = field(default_factory=dict)
    # Variants that are expected to fail, each with its `matrix.Gap`.
    gaps: dict = field(default_factory=dict)
