# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module has: its arguments, libvirt's Python binding, files that it writes."""

from __future__ import annotations

import gc
import os
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..host import connection
from . import arguments

URI_SPEC: dict[str, Any] = {"uri": {"type": "str", "default": "qemu:///system"}}
# What a module that changes things takes beside its resource.
CHANGES_SPEC: dict[str, Any] = {**URI_SPEC, "expect": {"type": "raw"}}


def create_module(spec: Mapping[str, Any]) -> basic.AnsibleModule:
    """The Ansible module for a spec; wrong arguments are reported all at once, not one by one."""
    # What a run makes it keeps to its end, some seconds later. To look through it for garbage again
    # and again is a tenth of the time for hundreds of VMs, and finds nothing.
    gc.disable()
    mistakes = _argument_mistakes(spec)  # AnsibleModule stops at the first, or has a traceback
    if mistakes:
        _refuse(spec, mistakes)
    return basic.AnsibleModule(argument_spec=dict(spec), supports_check_mode=True)


def _argument_mistakes(spec: Mapping[str, Any]) -> list[str]:
    loaded = basic._load_params()
    if loaded is None:  # ansible-test's validate-modules has replaced the function
        return []
    given = {k: v for k, v in loaded.items() if not k.startswith("_ansible_")}
    return arguments.check(ArgumentSpecValidator(dict(spec)), given)[1]


def _refuse(spec: Mapping[str, Any], mistakes: Sequence[str]) -> None:
    """Fail through a module that takes anything, since the real one would stop at one mistake."""
    anything = {name: {"type": "raw"} for name in (*spec, *basic._load_params())}
    module = basic.AnsibleModule(argument_spec=anything, supports_check_mode=True)
    module.fail_json(msg="; ".join(mistakes), errors=list(mistakes))


def require_libvirt(module: basic.AnsibleModule) -> None:
    """Fail with what to install where libvirt's Python binding is missing."""
    if connection.IMPORT_ERROR is not None:
        module.fail_json(
            msg=basic.missing_required_lib("libvirt-python (python3-libvirt)"),
            exception="".join(traceback.format_exception_only(connection.IMPORT_ERROR)),
        )


def write_file(module: basic.AnsibleModule, path: str, text: str) -> dict[str, Any]:
    """Have a file say this; what a module returns of it. In check mode only that."""
    there = Path(path)
    before = there.read_text(encoding="utf-8") if there.exists() else ""
    changed = before != text
    if changed and not module.check_mode:
        handle, made = tempfile.mkstemp(dir=module.tmpdir)
        os.close(handle)
        Path(made).write_text(text, encoding="utf-8")
        module.atomic_move(made, path)
    diff = {"before_header": path, "after_header": path, "before": before, "after": text}
    return {"changed": changed, "diff": diff}
