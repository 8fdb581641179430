"""Kernels out of Debian's packages: the image, its modules, and an initramfs that finds the root file system."""

import gzip
import lzma
import shutil
from dataclasses import dataclass
from pathlib import Path

from .files import made_whole
from trouble import Trouble, run

HERE = Path(__file__).parent
# What the initramfs needs to find its root; all else is loaded by the kernel itself once that is there.
WANTED = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_blk", "ext4")
# Drivers of what no guest has: most of all modules, and reading them takes a minute.
UNWANTED = ("sound", "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/staging", "drivers/iio", "drivers/scsi",
            "drivers/usb", "drivers/hwmon", "drivers/input", "drivers/mtd", "drivers/net/wireless", "drivers/net/ethernet")


@dataclass(frozen=True)
class Files:
    """A kernel that can be booted."""

    release: str
    image: Path
    modules: Path
    initramfs: Path


def files(kernel, suite, cache):
    """The kernel's files; fetched when they are not in the cache."""
    folder = cache / kernel.suite
    if not (folder / "release").exists():
        _make(folder, suite)
    initramfs = _initramfs(folder)
    release = (folder / "release").read_text()
    return Files(release, folder / "vmlinuz", folder / "lib/modules" / release, initramfs)


def _make(folder, suite):
    with made_whole(folder) as draft:
        release, packages = suite.kernel_packages()
        debs, tree = draft / "debs", draft / "tree"
        debs.mkdir()
        for deb in suite.download(packages, debs):
            run(["dpkg-deb", "--extract", str(deb), str(tree)], f"unpack {deb.name}")
        shutil.rmtree(debs)
        _take(tree, f"**/vmlinuz-{release}", draft / "vmlinuz") or _take(tree, "**/vmlinuz", draft / "vmlinuz")
        _take(tree, f"**/lib/modules/{release}", draft / "lib/modules" / release)
        if not (draft / "vmlinuz").exists() or not (draft / "lib").exists():
            raise Trouble(f"there is no kernel image, or no module, in {' '.join(packages)} of Debian's {suite.name}")
        shutil.rmtree(tree)
        for part in UNWANTED:
            shutil.rmtree(draft / "lib/modules" / release / "kernel" / part, ignore_errors=True)
        run(["depmod", "-b", str(draft), release], "list the kernel's modules")
        (draft / "release").write_text(release)


def _take(tree, pattern, target):
    found = next(tree.glob(pattern), None)
    if found is None:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    found.rename(target)
    return True


def _initramfs(folder):
    """Made anew when what it is made of is newer."""
    target, script = folder / "initramfs.gz", HERE / "initramfs-init"
    newest = max(script.stat().st_mtime, Path(__file__).stat().st_mtime)
    if target.exists() and target.stat().st_mtime > newest:
        return target
    busybox = shutil.which("busybox")
    if busybox is None or is_dynamic(busybox):
        raise Trouble("cannot make an initramfs: there is no static program busybox; install busybox-static")
    with made_whole(folder / "initramfs") as draft:
        root, archive = draft / "root", draft / "archive"
        for part in ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "new"):
            (root / part).mkdir(parents=True)
        shutil.copy(busybox, root / "bin/busybox")
        shutil.copy(script, root / "init")
        (root / "init").chmod(0o755)
        modules = _modules(folder, (folder / "release").read_text())
        for name, module in modules.items():
            (root / "modules" / name).write_bytes(_unpacked(module))
        (root / "modules/order").write_text("".join(f"{name}\n" for name in modules))
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        run(["cpio", "--create", "--quiet", "--format=newc", "--owner=0:0", f"--file={archive}"],
            "make an initramfs", input=names, cwd=root)
        (draft / "packed").write_bytes(gzip.compress(archive.read_bytes(), compresslevel=1))
        (draft / "packed").rename(target)
    shutil.rmtree(folder / "initramfs")
    return target


def is_dynamic(program):
    """Whether a program needs a libc, which an initramfs has not: whether it names a loader."""
    return b"/ld-linux" in Path(program).read_bytes()[:4096]


def _modules(folder, release):
    """The wanted modules and what they need, by the names that they get, in the order of loading."""
    found = {}
    for module in WANTED:
        told = run(["modprobe", "-d", str(folder), "-S", release, "--show-depends", module],
                   f"find the module {module} of {release}")
        for line in told.splitlines():
            if line.startswith("insmod "):
                path = Path(line.split()[1])
                found[path.name.split(".ko")[0] + ".ko"] = path
    return found


def _unpacked(module):
    if module.suffix == ".xz":
        return lzma.decompress(module.read_bytes())
    return module.read_bytes()
