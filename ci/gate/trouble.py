"""What cannot be done, as a sentence."""

import subprocess


class Trouble(Exception):
    """Nothing could be judged; the message says why."""


def run(words, purpose, folder=None, environment=None):
    """What a program prints. Its error output is part of the trouble when it fails."""
    try:
        ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Trouble(f"cannot {purpose}: there is no program {words[0]}") from error
    if ended.returncode != 0:
        raise Trouble(f"cannot {purpose}: {' '.join(words)} ended with {ended.returncode}: {ended.stderr.strip()[-2000:]}")
    return ended.stdout
