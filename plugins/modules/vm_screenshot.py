#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_screenshot: a picture of the screen of a VM."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_screenshot
short_description: Takes a picture of the screen of a virtual machine
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Writes what a VM shows on its screen to a PNG file on the controller, the machine where Ansible
    runs. It is for a person who wants to see why a guest does not come up.
  - It changes nothing of the VM, nobody's session at the screen is disturbed, and no viewer is
    needed. A VM without a graphics card has no screen; M(kvm.fleet.vm_console) reads its serial
    port.
  - What is on a screen can be secret. A new file can be read by its owner alone; one that is there
    keeps its mode.
options:
  name:
    description: The name of the VM, which has to run or be paused.
    type: str
    required: true
  dest:
    description:
      - The file on the controller to write the picture to. One that does not begin with a slash is
        beside the playbook. Its folder has to be there.
      - It is replaced as a whole, where the picture is another.
    type: path
    required: true
  screen:
    description:
      - Which screen, counted from 0 over all graphics cards and their heads.
    type: int
    default: 0
extends_documentation_fragment:
  - kvm.fleet.common
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details: The picture is taken and not written. A VM that does not run, or is not there, is a
      warning, since the play may start it before.
  diff_mode:
    description: Returns no differences.
    support: none
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
seealso:
  - module: kvm.fleet.vm_console
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
- name: What does the screen show?
  kvm.fleet.vm_screenshot:
    name: web
    dest: web.png

- name: A guest that is looked at where it does not come up
  block:
    - name: A VM that answers
      kvm.fleet.vm:
        name: web
        state: running
        wait_for: ssh
  rescue:
    - name: Its screen
      kvm.fleet.vm_screenshot:
        name: web
        dest: "/tmp/{{ inventory_hostname }}-web.png"

    - name: That is the end
      ansible.builtin.fail:
        msg: "web did not come up, see /tmp/{{ inventory_hostname }}-web.png"
"""

RETURN = r"""
dest:
  description: The file on the controller.
  returned: when a picture was taken
  type: str
  sample: /home/me/web.png
width:
  description: The width of the picture in pixels.
  returned: when a picture was taken
  type: int
  sample: 720
height:
  description: Its height in pixels.
  returned: when a picture was taken
  type: int
  sample: 400
size_bytes:
  description: The size of the file.
  returned: when a picture was taken
  type: int
  sample: 3178
"""

from ..module_utils.information.module import found_on
from ..module_utils.information.screen import take
from ..module_utils.run.module import URI_SPEC, create_module


def main() -> None:
    """Return the picture, which the action of the same name writes to a file."""
    spec = {
        **URI_SPEC,
        "name": {"type": "str", "required": True},
        "dest": {"type": "path", "required": True},
        "screen": {"type": "int", "default": 0},
    }
    module = create_module(spec)
    found = found_on(module, lambda host: take(host, module.params, module.check_mode))
    for warning in found.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**{"changed": False, **found})


if __name__ == "__main__":
    main()
