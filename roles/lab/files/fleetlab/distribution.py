# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How mmdebstrap makes the distribution of an image. Pure: values in, a list of arguments out."""

from __future__ import annotations

import os
from pathlib import Path

from . import recipe
from .declaration import ImageSpec

# Nothing in a test reads them, and writing them is a third of the files.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_CACHE = '"$1"/var/cache/apt/archives'
_DOWNLOAD = 'chroot "$1" apt-get install --yes --no-install-recommends --download-only'


def command(spec: ImageSpec, tar: Path) -> list[str]:
    """Writes the distribution that ``spec`` asks for into ``tar``."""
    return [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        "--format=tar",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        f"--components={','.join(('main', *spec.components))}",
        f"--include={','.join(recipe.packages(spec))}",
        *_keep(recipe.downloads(spec)),
        spec.release,
        str(tar),
    ]


def _keep(downloads: list[str]) -> list[str]:
    """Options that leave ``downloads``, and nothing else, in apt's cache; and apt's lists."""
    if not downloads:
        return []
    return [
        "--skip=cleanup/apt",
        f"--customize-hook=rm -f {_CACHE}/*.deb",
        f"--customize-hook={_DOWNLOAD} {' '.join(downloads)}",
    ]
