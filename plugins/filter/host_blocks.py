# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines about other hosts in a file that is somebody else's, each host's between two marks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_blocks
short_description: Keep lines about other hosts in a file
version_added: 0.1.0
description:
  - Returns the text of a file such as C(authorized_keys) or C(known_hosts), in which the lines of
    each given host stand between two marks. A host whose lines are the same stays where it is.
  - A host that is in O(hosts) and has no lines given keeps those that it has, since nothing is
    known of it now. One that is not in O(hosts) loses them. All other lines of the file stay.
positional: blocks, hosts
options:
  _input:
    description: The text of the file.
    type: str
    required: true
  blocks:
    description: The lines of hosts, by their names.
    type: dict
    required: true
  hosts:
    description: The names of all hosts that may have lines in the file.
    type: list
    elements: str
    required: true
author:
  - kvm.fleet contributors
"""

EXAMPLES = r"""
- name: What authorized_keys would be
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '/root/.ssh/authorized_keys')
      | kvm.fleet.host_blocks({'kvm2': ['ssh-ed25519 AAAA kvm2']}, ['kvm1', 'kvm2']) }}"
"""

RETURN = r"""
_value:
  description: The new text.
  type: str
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

BEGIN = "# begin kvm.fleet host "
END = "# end kvm.fleet host "
_BLOCK = re.compile(
    rf"^{BEGIN}(?P<host>\S+)\n(?P<lines>.*?)^{END}(?P=host)(?:\n|\Z)", re.MULTILINE | re.DOTALL
)


def host_blocks(text: str, blocks: Mapping[str, Sequence[str]], hosts: Iterable[str]) -> str:
    """The text with the hosts' lines in it."""
    for host, lines in blocks.items():
        _check(host, lines)
    may_stay = set(hosts) | set(blocks)
    seen: set[str] = set()

    def kept(match: re.Match[str]) -> str:
        host = match["host"]
        if host in seen or host not in may_stay:
            return ""
        seen.add(host)
        return _block(host, blocks[host]) if host in blocks else match[0]

    text = _BLOCK.sub(kept, text)
    new = "".join(_block(host, blocks[host]) for host in blocks if host not in seen)
    return f"{text}{'' if text.endswith(chr(10)) or not text or not new else chr(10)}{new}"


def _block(host: str, lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in (f"{BEGIN}{host}", *lines, f"{END}{host}"))


def _check(host: str, lines: Any) -> None:
    if not re.fullmatch(r"\S+", host):
        raise AnsibleFilterError(f"{host!r} is no name of a host")
    if isinstance(lines, str) or not all(isinstance(line, str) for line in lines):
        raise AnsibleFilterError(f"{host}: wants a list of lines")
    if any("\n" in line or line.startswith(("# begin", "# end")) for line in lines):
        raise AnsibleFilterError(f"{host}: a line is several, or looks like a mark")


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"host_blocks": host_blocks}
