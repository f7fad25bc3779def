# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab host's small initrd: loads the disk's modules, adds the host's own files, switches root.

It is a twentieth of what initramfs-tools makes, which under emulation is seconds of every boot.
"""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

from . import cpio

# ext4 asks for crc32c by a name that modules.dep does not have.
MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")
HOST_FILES = "lab"

# The kernel unpacks the archive of the host's own files behind this one, as /lab. A host keeps what
# it changed in them later: they are written on its first boot only.
INIT = f"""#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $B insmod "$module"; done
tries=0
while [ ! -e /dev/vda ] && [ $tries -lt 300 ]; do tries=$((tries + 1)); $B sleep 0.1; done
$B mount -t ext4 -o rw /dev/vda /root || echo "lab initrd: cannot mount the root disk"
if [ ! -e /root/etc/lab-host ]; then
  $B cp -a /{HOST_FILES}/. /root/ && echo yes > /root/etc/lab-host
fi
$B mount --move /dev /root/dev
$B umount /sys
$B umount /proc
exec $B switch_root /root /sbin/init
"""


def build(tree: Path) -> bytes:
    """The compressed initrd for the kernel and the busybox found in ``tree``."""
    entries = {name: cpio.directory() for name in ("proc", "sys", "dev", "root", HOST_FILES)}
    entries["init"] = cpio.regular(INIT.encode(), 0o755)
    entries["bin/busybox"] = cpio.regular((tree / "bin/busybox").read_bytes(), 0o755)
    for number, module in enumerate(load_order(modules_directory(tree), MODULES)):
        name = f"modules/{number:02d}-{module.name.partition('.')[0]}.ko"
        entries[name] = cpio.regular(_module(module))
    return aligned(gzip.compress(cpio.archive(entries), mtime=0))


def aligned(archive: bytes) -> bytes:
    """Padded so that another archive may follow: the kernel wants it at a multiple of 4."""
    return archive + b"\0" * (-len(archive) % 4)


def modules_directory(tree: Path) -> Path:
    versions = sorted((tree / "usr/lib/modules").iterdir())
    if len(versions) != 1:
        raise RuntimeError(f"expected one kernel in the image, found {len(versions)}")
    return versions[0]


def load_order(directory: Path, names: tuple[str, ...]) -> list[Path]:
    """The module files to load for ``names``, each behind what it depends on."""
    dependencies = _dependencies(directory)
    order: list[str] = []
    for name in names:
        path = next((path for path in dependencies if _module_name(path) == name), None)
        if path is None:
            continue  # built into this kernel
        # modules.dep lists the nearest dependency first.
        order += [*reversed(dependencies[path]), path]
    return [directory / path for path in dict.fromkeys(order)]


def _dependencies(directory: Path) -> dict[str, list[str]]:
    lines = (directory / "modules.dep").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {path: needed.split() for path, needed in pairs}


def _module_name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _module(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data
