"""What a comparison found: told, and written to gate.json and gate.md for others."""

import json

from . import judgement


class Report:
    """Sections by their titles. Each is written at once, so that what fails later takes nothing away."""

    def __init__(self, folder):
        self.folder = folder
        self.sections = {}
        # Of an earlier run, which would seem to be of this one if it failed.
        for name in ("gate.json", "gate.md"):
            (folder / name).unlink(missing_ok=True)

    def add(self, title, found):
        """`found` is what was judged, or a sentence that says why nothing was."""
        self.sections[title] = found
        said = f"{found}\n" if isinstance(found, str) else judgement.plain(found)
        print(f"{title}\n{said}", end="", flush=True)
        data = {title: found if isinstance(found, str) else judgement.data(found) for title, found in self.sections.items()}
        (self.folder / "gate.json").write_text(json.dumps(data, indent=2) + "\n")
        (self.folder / "gate.md").write_text("\n".join(
            f"### {title}\n\n{found}\n" if isinstance(found, str) else judgement.markdown(title, found)
            for title, found in self.sections.items()))

    def is_worse(self):
        """Whether anything is so far."""
        return any(judgement.worse(found) for found in self.sections.values() if not isinstance(found, str))
