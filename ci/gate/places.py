"""Where `ci/bench` finds things and leaves what it found."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "target/bench"
# What a full run adds to.
HISTORY = REPOSITORY / "benches/history.jsonl"
FIGURES = REPOSITORY / "benches/README.md"
README = REPOSITORY / "README.md"
