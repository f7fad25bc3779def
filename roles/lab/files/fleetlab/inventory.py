# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import yaml

from . import ssh
from .declaration import Lab
from .state import State

# By what is installed: whoever tests what makes a KVM host means other hosts than everybody else.
GROUPS = {"kvm_host": "kvm_hosts", "bare": "bare_hosts"}


def of_lab(lab: Lab, state: State, directory: Path) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for host in lab.hosts:
        groups.setdefault(GROUPS[host.image.profile], {"hosts": {}})["hosts"][host.name] = {
            "ansible_host": "127.0.0.1",
            "ansible_port": state.ports[host.name],
            "ansible_user": "root",
            # Without the second, testinfra asks for its own 10 s.
            "ansible_ssh_common_args": f"-F {shlex.quote(str(directory / 'ssh_config'))}"
            f" -o ConnectTimeout={ssh.CONNECT_TIMEOUT_S}",
            "ansible_ssh_timeout": ssh.CONNECT_TIMEOUT_S,
            "ansible_python_interpreter": "/usr/bin/python3",
            "lab_release": host.image.release,
            "lab_profile": host.image.profile,
            "lab_accelerator": state.accelerator["name"],
            "lab_addresses": {nic.name: nic.address for nic in host.nics if nic.address},
        }
        groups.setdefault(host.image.release, {"hosts": {}})["hosts"][host.name] = {}
    return {
        "all": {
            "vars": {"lab_name": lab.name, "lab_directory": str(directory)},
            "children": groups,
        }
    }


def is_of(path: Path, directory: Path) -> bool:
    """Whether this file is the inventory of the lab in a directory; another may have its place."""
    try:
        inventory = yaml.safe_load(path.read_text())
        return bool(inventory["all"]["vars"]["lab_directory"] == str(directory))
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return False


def write(path: Path, inventory: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "# Written by the lab of kvm.fleet; gone when the lab is destroyed.\n"
    text += yaml.safe_dump(inventory, sort_keys=False)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
