"""Measures packets with netsim bench, and draws the page of what it found."""

import json
import subprocess

from guests import build

from . import guest, places


def measured(*words):
    """netsim's exit code and what it found: None where nothing could be measured, and then bench.json is still the earlier one."""
    netsim = build.programs(places.REPOSITORY, guest.CACHE, release=True) / "netsim"
    draft = places.FOLDER / ".bench.json"
    try:
        with draft.open("w") as output:
            code = subprocess.run([str(netsim), "bench", "--json", *words], stdout=output, check=False).returncode
        # 1 is what it says of void cases and of those that are worse.
        if code not in (0, 1):
            return code, None
        found = json.loads(draft.read_text())
        draft.rename(places.FOLDER / "bench.json")
        return code, found
    finally:
        draft.unlink(missing_ok=True)


def drawn(history):
    """Draws the page and the plot of bench.json; whether that could be done."""
    netsim = build.folder(guest.CACHE, release=True) / "netsim"
    page = places.FOLDER / "index.html"
    code = subprocess.run([str(netsim), "bench", "--from", str(places.FOLDER / "bench.json"), "--history", str(history),
                           "--html", str(page), "--svg", str(places.FOLDER / "plot.svg")], check=False).returncode
    # 1 says again what the measuring one said.
    if code not in (0, 1):
        return False
    print(f"page: {page}")
    return True
