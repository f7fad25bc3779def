# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a lab host's disk, kernel and initrd from the unpacked distribution.

A program of its own: as an ordinary user it runs inside a user namespace, where the files of the
tree may belong to root and to the services.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import initrd, recipe

# Slirp's name server. A static file: nothing in a lab host may depend on how the outer machine
# resolves names.
RESOLV_CONF = "nameserver 10.0.2.3\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tar", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--guest", type=Path, help="the tiny guest's files, for /srv/guest")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.out) as scratch:
        tree = Path(scratch) / "tree"
        unpack(args.tar, tree)
        finish(tree)
        if args.guest:
            shutil.copytree(args.guest, tree / "srv/guest")
        write_boot_files(tree, args.out)
        make_disk(tree, args.out / "disk.raw")


def unpack(tar: Path, tree: Path) -> None:
    tree.mkdir()
    # A user namespace may not make device nodes; devtmpfs makes them at boot.
    command = ["tar", "-C", str(tree), "--numeric-owner", "--exclude=./dev/*", "-xpf", str(tar)]
    subprocess.run(command, check=True)


def finish(tree: Path) -> None:
    for source in recipe.files_below(recipe.OVERLAY):
        target = tree / source.relative_to(recipe.OVERLAY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    resolv_conf = tree / "etc/resolv.conf"
    resolv_conf.unlink(missing_ok=True)
    resolv_conf.write_text(RESOLV_CONF)
    units = tree / "etc/systemd/system"
    for unit in recipe.DISABLED_UNITS:
        for link in units.glob(f"*.wants/{unit}"):
            link.unlink()
    for unit, wants in recipe.ENABLED_UNITS.items():
        link = units / wants / unit
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(f"/lib/systemd/system/{unit}")


def write_boot_files(tree: Path, out: Path) -> None:
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    shutil.copyfile(kernel, out / "vmlinuz")
    (out / "initrd").write_bytes(initrd.build(tree))
    for unused in (tree / "boot").glob("initrd.img-*"):
        unused.unlink()


def make_disk(tree: Path, disk: Path) -> None:
    # Everything is initialised now, once, and not by a kernel thread in each host's overlay.
    options = ["-E", "lazy_itable_init=0,lazy_journal_init=0", "-i", "32768", "-m", "0"]
    where = ["-d", str(tree), str(disk), recipe.DISK_SIZE]
    command = ["mkfs.ext4", "-q", "-F", "-L", "lab", *options, *where]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
