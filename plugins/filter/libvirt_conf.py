# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings into the text of libvirt's configuration files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: libvirt_conf
short_description: Put settings into a configuration file of libvirt
version_added: 0.1.0
description:
  - Returns the text of a configuration file of libvirt, such as C(libvirtd.conf) or C(qemu.conf),
    in which the given settings have the given values. Every other line stays as it is.
  - A setting that the file does not have yet is written above its commented example, or at the
    end.
positional: settings
options:
  _input:
    description: The text of the file.
    type: str
    required: true
  settings:
    description:
      - Names and values. A boolean becomes 1 or 0, a list stays one of strings.
    type: dict
    required: true
author:
  - kvm.fleet contributors
"""

EXAMPLES = r"""
- name: What qemu.conf would be
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '/etc/libvirt/qemu.conf')
      | kvm.fleet.libvirt_conf({'max_core': 'unlimited', 'dump_guest_core': true}) }}"
"""

RETURN = r"""
_value:
  description: The new text.
  type: str
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def libvirt_conf(text: str, settings: Mapping[str, Any]) -> str:
    """The text with the settings in it."""
    for name, value in settings.items():
        if not _NAME.fullmatch(name):
            raise AnsibleFilterError(f"{name!r} is no name of a libvirt setting")
        text = _with_setting(text, name, _literal(name, value))
    return text


def _with_setting(text: str, name: str, literal: str) -> str:
    # A list may go on over several lines.
    active = re.compile(rf"^[ \t]*{name}[ \t]*=[ \t]*(\[[^\]]*\]|[^\n]*)", re.MULTILINE)
    line = f"{name} = {literal}"
    found = active.search(text)
    if found:
        return text if found.group(1).strip() == literal else active.sub(lambda _: line, text)
    example = re.search(rf"^#[ \t]*{name}[ \t]*=", text, re.MULTILINE)
    if example:
        return f"{text[: example.start()]}{line}\n{text[example.start() :]}"
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"


def _literal(name: str, value: Any) -> str:
    """The value as libvirt's files write it."""
    if isinstance(value, (bool, int)):
        return str(int(value))
    if isinstance(value, str):
        return _quoted(name, value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "[ " + ", ".join(_quoted(name, item) for item in value) + " ]"
    raise AnsibleFilterError(f"{name}: wants a boolean, a number, a string or a list of strings")


def _quoted(name: str, value: str) -> str:
    """In quotes that the value does not contain: libvirt's files have no escapes."""
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value:
        raise AnsibleFilterError(f"{name}: a value with both kinds of quotes, or of several lines")
    return f"{quote}{value}{quote}"


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"libvirt_conf": libvirt_conf}
