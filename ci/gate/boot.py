"""One guest of Debian's kernel, in which something is measured that this machine cannot, or not exactly."""

import shutil

from guests import apt, job, kernel, machine, root
from guests.command import CACHE, guest
from trouble import Trouble

# By the name that ci/kernels gives it.
KERNEL = "6.12"


def ran(repository, folder, commands, limit, purpose, counting=False, arguments=()):
    """Boots it, and has it carry out `commands`, which leave in `folder` what they find, as /results.

    With `counting`, its clock goes by retired instructions; `arguments` are the kernel's.
    """
    kernel_, userland = guest(KERNEL, None)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "job").write_text(job.commands(repository, userland, commands))
    shares = (machine.Share("repository", repository, str(repository)),
              machine.Share("results", folder, "/results", writable=True))
    made = machine.Machine(kernel.files(kernel_, apt.Suite(kernel_.suite, CACHE / "apt" / kernel_.suite), CACHE / "kernels"),
                           root.folder(userland.suite, CACHE / "roots"), shares, accelerator="tcg,thread=single",
                           arguments=(*userland.arguments, *arguments), counting=counting)
    trouble = machine.run(made, folder / "console.log", limit)
    if trouble:
        raise Trouble(f"cannot {purpose}: it {trouble}; its console is {folder / 'console.log'}")


def kernel_of(folder):
    """The version of the kernel's package that ran."""
    facts = dict(line.partition("=")[::2] for line in text(folder / "facts").splitlines())
    return facts.get("kernel", "")


def text(file):
    """What the guest left; nothing where it left none."""
    return file.read_text(errors="replace") if file.exists() else ""
