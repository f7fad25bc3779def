# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that the lab needs on this machine, and where to find them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from .errors import LabError

# Each with its Debian package.
TO_RUN = {"qemu-img": "qemu-utils", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}
TO_BUILD = {"mkfs.ext4": "e2fsprogs", "mmdebstrap": "mmdebstrap", "tar": "tar"}
TO_BUILD_AS_USER = {"newgidmap": "uidmap", "newuidmap": "uidmap", "unshare": "util-linux"}

# mkfs.ext4 lies where an ordinary user's PATH does not look.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def require(programs: Mapping[str, str]) -> None:
    """A LabError that names all of ``programs`` that are missing, with their packages."""
    missing = [name for name in sorted(programs) if not shutil.which(name, path=SEARCH_PATH)]
    if missing:
        packages = sorted({programs[name] for name in missing})
        raise LabError(
            f"the lab needs {', '.join(missing)}; install {', '.join(packages)} (Debian's names)"
        )
