"""Debian's suites through a private configuration of apt: the machine's own sources and packages are never touched."""

import os
import re

from trouble import Trouble, run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ELSEWHERE = "http://deb.debian.org/debian"
CONFIGURATION = """\
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{folder}/state";
Dir::State::status "{folder}/state/status";
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Architecture "amd64";
APT::Sandbox::User "root";
"""


def mirror():
    """The mirror of Debian that the machine itself uses, else the one that everybody may use."""
    told = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"],
               "ask apt for its mirror")
    return next(iter(told.split()), ELSEWHERE).rstrip("/")


def options():
    """How this machine reaches mirrors and how much it trusts their clocks, for programs that do not read its settings."""
    keys = r"Acquire::(Check-Valid-Until|Check-Date|https?::[Pp]roxy) "
    told = run(["apt-config", "dump", "Acquire"], "read the settings of apt")
    return [*(line.rstrip(";") for line in told.splitlines() if re.match(keys, line)), 'Acquire::Retries "3"']


def source(suite):
    """The line of sources.list for a suite."""
    if not os.path.exists(KEYRING):
        raise Trouble(f"cannot check Debian's packages: there is no {KEYRING}; install debian-archive-keyring")
    return f"deb [signed-by={KEYRING}] {mirror()} {suite} main"


class Suite:
    """One suite's packages, looked up once a run."""

    def __init__(self, name, folder):
        self.name = name
        self._folder = folder.resolve()
        self._environment = None

    def _run(self, command, what, **options):
        if self._environment is None:
            self._prepare()
        return run(command, f"{what} of Debian's {self.name}", env=self._environment, **options)

    def _prepare(self):
        for part in ("lists/partial", "cache/archives/partial", "state"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "state/status").touch()
        (self._folder / "sources.list").write_text(source(self.name) + "\n")
        (self._folder / "apt.conf").write_text(CONFIGURATION.format(folder=self._folder))
        self._environment = {**os.environ, "APT_CONFIG": str(self._folder / "apt.conf"), "LC_ALL": "C"}
        # Without the option a mirror that cannot be reached is a warning.
        self._run(["apt-get", "-qq", "-o", "APT::Update::Error-Mode=any", "update"], "read the packages")

    def kernel_packages(self):
        """The packages with the files of the suite's kernel; newer suites split it into several."""
        told = self._depends("linux-image-amd64")
        image = next((name for name in told if re.match(r"linux-image-\d", name)), None)
        if image is None:
            raise Trouble(f"there is no kernel package in Debian's {self.name}")
        release = image.removeprefix("linux-image-")
        parts = [name for name in self._depends(image) if re.match(r"linux-(base|binary|modules)-", name)]
        return release, [image, *(name for name in parts if name.endswith(release))]

    def _depends(self, package):
        told = self._run(["apt-cache", "depends", package], f"look up {package}")
        return re.findall(r"^ *\|?Depends: (\S+)", told, re.MULTILINE)

    def download(self, packages, folder):
        """Fetches packages, without what they depend on, into a folder."""
        self._run(["apt-get", "-qq", "download", *packages], f"fetch {' '.join(packages)}", cwd=folder)
        return sorted(folder.glob("*.deb"))
