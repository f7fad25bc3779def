# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the tiny guest: a kernel, an initramfs and a small bootable disk image.

Needs no root, no loop device and no mount. Standard library only; the tools it calls come from
the Debian packages busybox-static, dosfstools, mtools, qemu-utils, syslinux, syslinux-common and
systemd-boot-efi. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

GUEST_TREE = Path(__file__).with_name("guest")
BUSYBOX = Path("/bin/busybox")
MBR_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
BIOS_LOADER = Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")
EFI_LOADER = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
TOOLS = {
    "dpkg-deb": "dpkg",
    "apt-cache": "apt",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "syslinux": "syslinux",
    "qemu-img": "qemu-utils",
}
FILES = {BUSYBOX: "busybox-static", MBR_CODE: "syslinux-common", EFI_LOADER: "systemd-boot-efi"}

# Every file of the build carries this time (2026-01-01 UTC): FAT knows none before 1980.
BUILD_TIME = 1767225600

# A kernel without one of the optional modules (the cloud kernel has neither AHCI nor USB) gives a
# guest without that hardware.
REQUIRED_MODULES = ("virtio_pci", "virtio_net", "virtio_blk")
OPTIONAL_MODULES = (
    *("virtio_console", "virtio_balloon", "virtio_mem", "virtio_rng"),
    *("virtio_scsi", "ahci", "ata_piix", "sd_mod", "sr_mod", "isofs"),
    *("e1000", "e1000e", "8021q", "button", "evdev", "i6300esb", "pvpanic_pci"),
)

# The console of the kernel is where the guest takes requests: without `quiet` they would mix.
COMMAND_LINE = "console=ttyS0 quiet cryptomgr.notests"
SECTOR = 512
MIB = 1024 * 1024
PARTITION_START = 1 * MIB
BOOT_MIB = 40
DISK_MIB = 64

SYSLINUX_CONFIG = f"""\
DEFAULT tiny
LABEL tiny
  LINUX /vmlinuz
  INITRD /initramfs.img
  APPEND {COMMAND_LINE}
"""
EFI_CONFIG = "timeout 0\ndefault tiny.conf\n"
EFI_ENTRY = f"""\
title tiny guest
linux /vmlinuz
initrd /initramfs.img
options {COMMAND_LINE}
"""


class BuildError(Exception):
    """What is missing or went wrong, and what to do about it."""


@dataclass(frozen=True)
class Kernel:
    """A kernel package, or the kernel that is installed here."""

    package: str
    version: str  # of the package
    digest: str

    @property
    def release(self) -> str:
        """The kernel's own name for its version, as in /lib/modules."""
        return self.package.removeprefix("linux-image-")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """The output of a command, in a fixed environment so that it does not shape the result."""
    environment = dict(
        os.environ, LC_ALL="C", TZ="UTC", SOURCE_DATE_EPOCH=str(BUILD_TIME), MTOOLS_SKIP_CHECK="1"
    )
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


# The kernel ---------------------------------------------------------------------------------------


def find_kernel(source: str) -> Kernel:
    """The kernel that SOURCE names: a package, or `installed` for the newest one here."""
    if source == "installed":
        return installed_kernel()
    fields = package_fields(source)
    needs = re.search(r"\b(linux-image-\d\S+)", fields.get("Depends", ""))
    if needs:
        source, fields = needs[1], package_fields(needs[1])
    try:
        return Kernel(source, fields["Version"], fields["SHA256"])
    except KeyError as missing:  # all that apt knows of a package that is only installed
        raise BuildError(
            f"apt's lists do not tell the {missing.args[0]} of {source}: run apt-get update, or "
            "pass --kernel with a package that they have, or with `installed`"
        ) from missing


def package_fields(package: str) -> dict[str, str]:
    try:
        text = run("apt-cache", "show", "--no-all-versions", package)
    except BuildError as error:
        raise BuildError(f"{error}\nIs there such a package? apt-get update may help.") from error
    return dict(re.findall(r"^([\w-]+): (.*)$", text, re.MULTILINE))


def installed_kernel() -> Kernel:
    images = [
        p for p in Path("/boot").glob("vmlinuz-*") if modules_directory(Path("/"), p).is_dir()
    ]
    if not images:
        raise BuildError("no kernel with its modules is installed; name a package instead")
    image = max(images, key=lambda path: [int(n) for n in re.findall(r"\d+", path.name)])
    release = image.name.removeprefix("vmlinuz-")
    return Kernel(f"linux-image-{release}", "installed", sha256(image))


def modules_directory(root: Path, image: Path) -> Path:
    return root / "lib/modules" / image.name.removeprefix("vmlinuz-") / "kernel"


def unpack_kernel(kernel: Kernel, scratch: Path) -> Path:
    """The root directory below which the kernel's /boot and /lib/modules are."""
    if kernel.version == "installed":
        return Path("/")
    root = scratch / "kernel"
    # Without the option apt, as root, wants to write as its own user into our directory.
    run("apt-get", "download", "-o", "APT::Sandbox::User=root",
        f"{kernel.package}={kernel.version}", cwd=scratch)  # fmt: skip
    (package,) = scratch.glob("*.deb")
    run("dpkg-deb", "--extract", package, root)
    package.unlink()
    # Debian 13 has its modules below /usr/lib.
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    return root


class Modules:
    """The modules of one kernel, by name."""

    def __init__(self, directory: Path) -> None:
        self.paths = {module_name(path.name): path for path in sorted(directory.rglob("*.ko*"))}
        builtin = directory.parent / "modules.builtin"
        self.builtin = {module_name(Path(line).name) for line in builtin.read_text().split()}

    def wanted(self) -> dict[str, bytes]:
        """The modules that the guest gets, with those that they depend on."""
        missing = [n for n in REQUIRED_MODULES if n not in self.paths.keys() | self.builtin]
        if missing:
            raise BuildError(f"the kernel has no {', '.join(missing)}; take another one")
        found: dict[str, bytes] = {}
        names = [n for n in (*REQUIRED_MODULES, *OPTIONAL_MODULES) if n in self.paths]
        while names:
            name = names.pop()
            if name not in found:
                found[name] = self._read(name)
                names += module_information(found[name], "depends")
        return found

    def _read(self, name: str) -> bytes:
        """The module's ELF file, unpacked: busybox's modprobe need not know the compression."""
        path = self.paths[name]
        if path.suffix == ".xz":
            return lzma.decompress(path.read_bytes())
        if path.suffix == ".ko":
            return path.read_bytes()
        raise BuildError(f"{path.name}: compressed in a way that this script does not know")


def module_name(file_name: str) -> str:
    return file_name.split(".ko")[0].replace("-", "_")


def module_information(elf: bytes, key: str) -> list[str]:
    """The values of KEY in the module's .modinfo, a section of NUL-separated `key=value`."""
    values = re.findall(rb"\0" + key.encode() + rb"=([^\0]*)(?=\0)", elf)
    if key == "depends":
        return [module_name(name) for name in values[0].decode().split(",") if name]
    return [value.decode() for value in values]


def dependency_lines(modules: dict[str, bytes]) -> str:
    """modules.dep: each module with all it needs, the first to be loaded last."""
    lines = [
        f"{name}.ko:" + "".join(f" {needed}.ko" for needed in all_dependencies(name, modules))
        for name in sorted(modules)
    ]
    return "\n".join(lines) + "\n"


def all_dependencies(name: str, modules: dict[str, bytes]) -> list[str]:
    order: list[str] = []
    for direct in module_information(modules[name], "depends"):
        order += [direct, *all_dependencies(direct, modules)]
    # What several need is loaded before all of them: its last place counts.
    return [n for position, n in enumerate(order) if n not in order[position + 1 :]]


def alias_lines(modules: dict[str, bytes]) -> str:
    """modules.alias: which module serves which device."""
    lines = [
        f"alias {alias} {name}\n"
        for name, elf in sorted(modules.items())
        for alias in module_information(elf, "alias")
    ]
    return "".join(lines)


# The initramfs ------------------------------------------------------------------------------------


class Cpio:
    """A cpio archive in the kernel's format, with root's ownership and one time for all."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def add(
        self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        self._count += 1
        encoded = name.encode() + b"\0"
        fields = (self._count, mode, 0, 0, 1, BUILD_TIME, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._parts += [_padded(header), _padded(data)]

    def directory(self, name: str) -> None:
        self.add(name, 0o040755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self.add(name, 0o100000 | mode, data)

    def link(self, name: str, target: str) -> None:
        self.add(name, 0o120777, target.encode())

    def bytes(self) -> bytes:
        self._count = -1  # the trailer is inode 0
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def initramfs(release: str, modules: dict[str, bytes]) -> bytes:
    archive = Cpio()
    for name in ("bin", "dev", "lib", "lib/modules", "proc", "run", "sbin", "sys", "tmp"):
        archive.directory(name)
    # The kernel opens it for process 1 before anything could have mounted /dev.
    archive.add("dev/console", 0o020600, device=(5, 1))
    archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.link("init", "bin/busybox")
    archive.link("sbin/modprobe", "../bin/busybox")  # the kernel itself calls it
    add_guest_tree(archive)
    add_modules(archive, f"lib/modules/{release}", modules)
    return gzip.compress(archive.bytes(), mtime=0)


def add_guest_tree(archive: Cpio) -> None:
    for path in sorted(GUEST_TREE.rglob("*")):
        name = str(path.relative_to(GUEST_TREE))
        if path.is_file():
            data = path.read_bytes()
            archive.file(name, data, 0o755 if data.startswith(b"#!") else 0o644)
        elif name != "bin":
            archive.directory(name)


def add_modules(archive: Cpio, directory: str, modules: dict[str, bytes]) -> None:
    archive.directory(directory)
    archive.file(f"{directory}/modules.dep", dependency_lines(modules).encode())
    archive.file(f"{directory}/modules.alias", alias_lines(modules).encode())
    for name, elf in sorted(modules.items()):
        archive.file(f"{directory}/{name}.ko", elf)


# The disk image -----------------------------------------------------------------------------------


def build_disk(directory: Path, scratch: Path) -> None:
    """tiny.qcow2: one FAT partition that BIOS and UEFI boot from, and an empty one for data."""
    raw, boot = scratch / "disk.raw", scratch / "boot.fat"
    build_boot_partition(boot, directory, scratch)
    with raw.open("wb") as disk:
        disk.truncate(DISK_MIB * MIB)
        disk.write(master_boot_record())
        disk.seek(PARTITION_START)
        with boot.open("rb") as source:
            shutil.copyfileobj(source, disk)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, directory / "tiny.qcow2")


def build_boot_partition(boot: Path, directory: Path, scratch: Path) -> None:
    with boot.open("wb") as file:
        file.truncate(BOOT_MIB * MIB)
    hidden = str(PARTITION_START // SECTOR)
    run("mkfs.vfat", "-F", "16", "--invariant", "-h", hidden, "-n", "TINYGUEST", boot)
    run("syslinux", "--install", boot)
    contents = scratch / "esp"
    for name, data in {
        "EFI/BOOT/BOOTX64.EFI": EFI_LOADER.read_bytes(),
        "loader/loader.conf": EFI_CONFIG.encode(),
        "loader/entries/tiny.conf": EFI_ENTRY.encode(),
        "syslinux.cfg": SYSLINUX_CONFIG.encode(),
        "vmlinuz": (directory / "vmlinuz").read_bytes(),
        "initramfs.img": (directory / "initramfs.img").read_bytes(),
    }.items():
        path = contents / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run("mcopy", "-s", "-i", boot, *sorted(contents.iterdir()), "::/")


def master_boot_record() -> bytes:
    boot_sectors = BOOT_MIB * MIB // SECTOR
    start = PARTITION_START // SECTOR
    end = DISK_MIB * MIB // SECTOR
    table = b"".join((
        # BIOS boots what is marked active, UEFI what is of type 0xef.
        partition(active=True, kind=0xEF, start=start, count=boot_sectors),
        partition(active=False, kind=0x83, start=start + boot_sectors,
                  count=end - start - boot_sectors),
        bytes(32),
    ))  # fmt: skip
    return MBR_CODE.read_bytes().ljust(440, b"\0") + b"tiny\0\0" + table + b"\x55\xaa"


def partition(*, active: bool, kind: int, start: int, count: int) -> bytes:
    beyond_chs = b"\xfe\xff\xff"  # only the sector numbers count
    return struct.pack(
        "<B3sB3sII", 0x80 if active else 0, beyond_chs, kind, beyond_chs, start, count
    )


# The whole ----------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_machine() -> None:
    """That all tools are here; the error names every missing package at once."""
    missing = {package for tool, package in TOOLS.items() if not shutil.which(tool)}
    missing |= {package for path, package in FILES.items() if not path.exists()}
    if missing:
        raise BuildError(f"missing packages: apt-get install {' '.join(sorted(missing))}")
    if b"/ld-linux" in BUSYBOX.read_bytes():
        raise BuildError(f"{BUSYBOX} needs libraries: apt-get install busybox-static")


def inputs_digest(kernel: Kernel) -> str:
    """One number for all that shapes the result."""
    digest = hashlib.sha256(repr(kernel).encode())
    scripts = [Path(__file__), *sorted(p for p in GUEST_TREE.rglob("*") if p.is_file())]
    for path in (BUSYBOX, MBR_CODE, EFI_LOADER, *scripts):
        digest.update(f"{path.name} {sha256(path)}\n".encode())
    return digest.hexdigest()


OUTPUTS = ("vmlinuz", "initramfs.img", "tiny.qcow2")


def read_manifest(directory: Path) -> dict[str, str]:
    """What was built there, empty where that is nothing or no longer whole."""
    try:
        manifest: dict[str, str] = json.loads((directory / "manifest.json").read_text())
        whole = all(sha256(directory / name) == manifest[name] for name in OUTPUTS)
    except (OSError, KeyError, ValueError):
        return {}
    return manifest if whole else {}


def build(kernel: Kernel, directory: Path) -> None:
    """All into a new directory; then each file takes its place at once, readers see no half."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".build-") as name:
        scratch = Path(name)
        result = scratch / "result"
        result.mkdir()
        root = unpack_kernel(kernel, scratch)
        image = root / f"boot/vmlinuz-{kernel.release}"
        shutil.copyfile(image, result / "vmlinuz")
        modules = Modules(modules_directory(root, image))
        (result / "initramfs.img").write_bytes(initramfs(kernel.release, modules.wanted()))
        build_disk(result, scratch)
        write_manifest(kernel, result)
        for file in (*OUTPUTS, "manifest.json"):
            (result / file).replace(directory / file)


def write_manifest(kernel: Kernel, result: Path) -> None:
    manifest = {
        "inputs": inputs_digest(kernel),
        "kernel": f"{kernel.package} {kernel.version}",
        "command_line": COMMAND_LINE,
        **{name: sha256(result / name) for name in OUTPUTS},
    }
    (result / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build-tiny-guest", description=__doc__)
    parser.add_argument("directory", type=Path, help="where vmlinuz, initramfs.img, tiny.qcow2 go")
    parser.add_argument(
        "--kernel",
        default="linux-image-cloud-amd64",
        help="a Debian package, or `installed` for the newest one here (default: %(default)s)",
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--if-changed", action="store_true", help="build if the inputs have changed (the default)"
    )
    when.add_argument(
        "--if-missing", action="store_true", help="keep a whole build, whatever has changed since"
    )
    return parser.parse_args()


def build_where_needed(options: argparse.Namespace) -> bool:
    """Whether it was necessary to build."""
    have = read_manifest(options.directory)
    if have and options.if_missing:
        return False
    check_machine()
    kernel = find_kernel(options.kernel)
    if have.get("inputs") == inputs_digest(kernel):
        return False
    build(kernel, options.directory)
    return True


def main() -> int:
    """Build what is missing or out of date, and say in one word what was done."""
    # mkfs.vfat is in /sbin, which an ordinary user does not search.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        print("built" if build_where_needed(arguments()) else "unchanged")
    except (BuildError, OSError) as error:
        print(f"build-tiny-guest: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
