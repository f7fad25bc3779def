# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a seed, as cloud-init's data source NoCloud reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....engine.codecs import Value
from ....engine.hidden import revealed
from .network import config_of
from .user_data import CLOUD_CONFIG, yaml_of

# Run at each boot, it does something at the first one of an instance.
OWN_MACHINE_ID = """#cloud-boothook
#!/bin/sh
command -v systemd-machine-id-setup >/dev/null || exit 0
exec cloud-init-per instance kvm-fleet-machine-id sh -c '
    rm -f /etc/machine-id
    [ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
    systemd-machine-id-setup'
"""

# By this name of the volume cloud-init finds it.
LABEL = "cidata"


def files_of(said: Mapping[str, Value]) -> dict[str, str]:
    """The text of each file, of what is said with all that is hidden in it."""
    told = {part: revealed(value) for part, value in said.items()}
    files = {"meta-data": _meta_data(told), "user-data": _user_data(told)}
    if told.get("network_config"):
        files["network-config"] = told["network_config"]
    elif told.get("nics"):
        files["network-config"] = yaml_of(config_of(told["nics"]))
    if told.get("vendor_data"):
        files["vendor-data"] = told["vendor_data"]
    elif told.get("machine_id"):
        files["vendor-data"] = OWN_MACHINE_ID
    return files


def _meta_data(told: Mapping[str, Any]) -> str:
    """What is written at length comes as it is; an instance-id in it is the one that is told."""
    own = {"instance-id": told["instance_id"]}
    if told.get("hostname"):
        own["local-hostname"] = told["hostname"]
    given = str(told.get("meta_data") or "")
    rest = "".join(line for line in given.splitlines(True) if not line.startswith("instance-id:"))
    return yaml_of(own) + rest


def _user_data(told: Mapping[str, Any]) -> str:
    short = _users(told)
    text = str(told.get("user_data") or f"{CLOUD_CONFIG}\n")
    if short:
        return f"{text}{yaml_of(short)}"
    return text if text != f"{CLOUD_CONFIG}\n" else f"{CLOUD_CONFIG}\n{{}}\n"


def _users(told: Mapping[str, Any]) -> dict[str, Any]:
    """A user of its own who may do everything, or keys of the one that the image has."""
    keys = told.get("ssh_keys")
    if not told.get("user"):
        return {"ssh_authorized_keys": keys} if keys else {}
    user: dict[str, Any] = {
        "name": told["user"],
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": not told.get("password_hash"),
    }
    if told.get("password_hash"):
        user["hashed_passwd"] = told["password_hash"]
    if keys:
        user["ssh_authorized_keys"] = keys
    return {"users": [user]}
