# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of all modules has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The option `uri`, and the attributes of a module that changes things or only reads."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt to talk to, as a libvirt connection URI.
      - Files that are named in options are files of the machine on which the module runs, which is
        the KVM host itself unless the URI says otherwise. Of another machine nothing is looked at
        but what its libvirt tells. A socket (C(qemu+unix)) counts as one of this machine.
    type: str
    default: qemu:///system
requirements:
  - python3-libvirt (libvirt-python) on the machine where the module runs
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying
      target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check mode),
      when in diff mode.
    support: full
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
"""

    READS = r"""
attributes:
  check_mode:
    description: Can run in check mode; it changes nothing in any mode.
    support: full
  diff_mode:
    description: Returns no differences, since it changes nothing.
    support: N/A
  action_group:
    description: Is part of an action group, whose defaults can be set by C(module_defaults).
    support: full
    membership: [kvm.fleet.all]
"""
