"""Text that scripts of this folder make, in its place in a file for people: between two lines that mark it. Pure."""

from trouble import Trouble


def written(document, name, begin, end, text):
    """The document of that name with the text in its place."""
    before, first, rest = document.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise Trouble(f"{name} lacks the lines between which the table stands: {begin} and {end}")
    return f"{before}{begin}\n{text}{end}{after}"
