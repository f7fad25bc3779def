#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_console: what a guest writes to its serial port."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_console
short_description: Takes down what a virtual machine writes to its serial console
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Writes what a guest says on its serial port to a file on the controller, the machine where
    Ansible runs, for as long as it takes until a text comes. Kernels and boot loaders write there
    if they are told to (C(console=ttyS0)), as cloud images are.
  - Where libvirt keeps a log of the port (C(<log file>), or a port of type V(file)) and the module
    runs on the VM's host, that is read, from its beginning, and nobody is disturbed. It is also
    read where the VM does not run.
  - Without, the console is opened as C(virsh console) does, from now on. What the guest wrote
    before is lost, and nobody else can open it meanwhile.
  - The file has all bytes as they came. Results have no more of it than O(lines) and what
    O(until) found, without what only a terminal understands. What a guest writes can be secret, so
    a new file can be read by its owner alone; one that is there keeps its mode.
  - Nothing is typed into the console, and nothing of the VM changes, but that O(start) starts it.
options:
  name:
    description: The name of the VM.
    type: str
    required: true
  dest:
    description:
      - The file on the controller to write to. One that does not begin with a slash is beside the
        playbook. Its folder has to be there.
      - It is replaced as a whole, also by what came before the task failed.
    type: path
    required: true
  until:
    description:
      - A regular expression of Python for what is awaited, such as V(login:). C(^) and C($) are
        the beginning and the end of a line. The capture ends where it is found, and the task fails
        where it does not come in time or before the VM stops.
      - It is searched in what a log has already, too, as long as that is. A log that is appended to
        has the starts before this one; O(start) looks at what comes after it.
      - Omitted, all that comes within O(timeout_s) is taken down.
    type: str
  timeout_s:
    description:
      - For how long to look, in seconds. With V(0) it is what a log has now.
    type: int
    default: 120
  start:
    description:
      - Whether to start a VM that does not run, and look at it from its first word on. It is held
        until the console is open. What M(kvm.fleet.vm) does beside, such as to make room in huge
        pages or to wait for an address, is not done.
      - A VM that runs or is paused is left as it is.
    type: bool
    default: false
  force:
    description:
      - Whether to take the console from somebody who has it open. It is an error otherwise.
    type: bool
    default: false
  device:
    description:
      - Which port, by libvirt's name of it, such as V(serial1) or V(console1). Omitted, the first.
    type: str
  lines:
    description:
      - How many of the last lines to return as RV(lines) and to show in an error. With V(0) the
        guest's words are in the file alone, but for what O(until) found.
    type: int
    default: 10
extends_documentation_fragment:
  - kvm.fleet.common
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: It says what it would look at, and opens nothing. A VM that does not run, or is not
      there, is a warning, since the play may start it before.
  diff_mode:
    description: Returns no differences.
    support: none
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
seealso:
  - module: kvm.fleet.vm_screenshot
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
- name: Start a VM, and take down what it says until it asks who is there
  kvm.fleet.vm_console:
    name: web
    dest: web-boot.log
    start: true
    until: 'login:'
    timeout_s: 300

- name: What a guest that runs says within the next ten seconds
  kvm.fleet.vm_console:
    name: web
    dest: web-now.log
    timeout_s: 10
  register: web

- name: Show the end of it
  ansible.builtin.debug:
    var: web.lines

- name: What libvirt has of its log, at once
  kvm.fleet.vm_console:
    name: db
    dest: db.log
    timeout_s: 0
"""

RETURN = r"""
dest:
  description: The file on the controller.
  returned: when something was looked at
  type: str
  sample: /home/me/web-boot.log
matched:
  description: What O(until) found; null where it is not given, or did not come.
  returned: when something was looked at
  type: str
  sample: 'login:'
lines:
  description:
    - The last O(lines) lines that are not empty, without control sequences, none longer than 500
      characters.
  returned: when something was looked at
  type: list
  elements: str
  sample: ["Debian GNU/Linux 12 web ttyS0", "web login:"]
source:
  description: Whether the V(console) was opened, or a V(file) of the host was read.
  returned: success
  type: str
  sample: console
started:
  description: Whether the VM was started for it, or would be in check mode.
  returned: success
  type: bool
device:
  description: libvirt's name of the port.
  returned: when something was looked at
  type: str
  sample: serial0
seconds:
  description: How long it took.
  returned: when something was looked at
  type: float
  sample: 42.3
size_bytes:
  description: The size of the file.
  returned: when something was looked at
  type: int
  sample: 21043
left_out_bytes:
  description: What is not in the file of the beginning of a log that is longer than 16 MiB.
  returned: when something was looked at
  type: int
  sample: 0
"""

from ..module_utils.information import console
from ..module_utils.information.module import found_on
from ..module_utils.run.module import URI_SPEC, create_module


def main() -> None:
    """Return what came, which the action of the same name writes to a file."""
    spec = {
        **URI_SPEC,
        "name": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "until": {"type": "str"},
        "timeout_s": {"type": "int", "default": 120},
        "start": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
        "device": {"type": "str"},
        "lines": {"type": "int", "default": 10},
    }
    module = create_module(spec)
    console.prepare()
    found = found_on(module, lambda host: console.capture(host, module.params, module.check_mode))
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    told = {"changed": found.get("started", False), **found}
    if told.pop("failed", False):
        module.fail_json(**told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
