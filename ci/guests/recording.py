"""Results that are kept in the repository, and the README's table of them."""

from datetime import datetime, timezone

from . import results, table
from trouble import run

FOLDER = "ci/guests/recorded"


def about(repository):
    """Of what the results are: facts that every result gets."""
    return {"revision": revision(repository), "date": datetime.now(timezone.utc).date().isoformat()}


def revision(repository):
    """The commit that is tried; `-dirty` where the working tree has anything else but other results."""
    # Root may look at another user's clone.
    git = ["git", "--no-optional-locks", "-c", f"safe.directory={repository}", "-C", str(repository)]
    commit = run([*git, "describe", "--always", "--abbrev=12", "--exclude=*"], "name this revision").strip()
    changed = run([*git, "status", "--porcelain", "--", ".", f":!{FOLDER}", ":!README.md"], "look for what was changed")
    return f"{commit}-dirty" if changed else commit


def record(repository, all_):
    """Keeps results, and makes the README's table anew of all that are kept."""
    for result in all_:
        results.save(result, repository / FOLDER)
    readme = repository / "README.md"
    readme.write_text(table.written(readme.read_text(), results.load(repository / FOLDER)))
