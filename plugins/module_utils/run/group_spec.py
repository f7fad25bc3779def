# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a group of VMs."""

from __future__ import annotations

from typing import Any

OPTION = "vm_groups"
SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "count": {"type": "int", "required": True},
    "start": {"type": "int", "default": 1},
    "name_format": {"type": "str"},
    "vm": {"type": "dict", "default": {}},
    "adopt": {"type": "bool", "default": False},
    "remove_storage": {"type": "bool", "default": False},
    "drain": {"type": "str", "choices": ["none", "required"], "default": "none"},
}
