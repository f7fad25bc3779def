# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module has: its arguments, libvirt's Python binding, files that it writes."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..engine.hidden import without
from ..host import connection
from . import arguments, secrecy

URI_SPEC: dict[str, Any] = {"uri": {"type": "str", "default": "qemu:///system"}}
# What a module that changes things takes beside its resource.
CHANGES_SPEC: dict[str, Any] = {**URI_SPEC, "expect": {"type": "raw"}}
# And one that changes what a host has promised; omitted it is as the host's policy says.
ADMISSION_SPEC: dict[str, Any] = {
    "admission": {"type": "str", "choices": ["strict", "warn", "off"]}
}


def create_module(
    spec: Mapping[str, Any], within: Mapping[str, Any] | None = None
) -> basic.AnsibleModule:
    """The Ansible module for a spec; wrong arguments are reported all at once, not one by one.

    `within` are options with those inside of them, where the spec leaves these to another.
    """
    loaded = basic._load_params()
    if loaded is None:  # ansible-test's validate-modules has replaced the function
        return basic.AnsibleModule(argument_spec=dict(spec), supports_check_mode=True)
    params = {k: v for k, v in loaded.items() if not k.startswith("_ansible_")}
    # AnsibleModule stops at the first mistake, or has a traceback.
    mistakes = arguments.check(ArgumentSpecValidator(dict(spec)), params)[1]
    whole = {**spec, **(within or {})}
    given = secrecy.given(whole, params)
    if mistakes:
        _refuse(spec, given, [without(said, given.secrets) for said in mistakes])
    module = _quiet_module(spec, given)
    module.argument_spec = whole  # by which the parameters are shown in the end
    return module


def _quiet_module(spec: Mapping[str, Any], given: secrecy.Given) -> basic.AnsibleModule:
    """A module that does not write the secrets among its parameters to the log as it comes up.

    Ansible can keep only whole options out of it, and would hide all of these in what is returned.
    """
    silent = {
        name: {**option, "no_log": True} if name in given.holders else option
        for name, option in spec.items()
    }
    module = basic.AnsibleModule(argument_spec=silent, supports_check_mode=True)
    if given.holders:
        module.no_log_values = given.hidden_by_ansible
    return module


def _refuse(spec: Mapping[str, Any], given: secrecy.Given, mistakes: Sequence[str]) -> None:
    """Fail through a module that takes anything, since the real one would stop at one mistake."""
    module = _quiet_module({name: {"type": "raw"} for name in (*spec, *given.shown)}, given)
    module.params = given.shown
    module.fail_json(msg="; ".join(mistakes), errors=list(mistakes))


def taken_params(module: basic.AnsibleModule) -> dict[str, Any]:
    """The parameters of a module, of which it is left those that it may return."""
    params: dict[str, Any] = module.params
    module.params = secrecy.given(module.argument_spec, params).shown
    return params


def require_libvirt(module: basic.AnsibleModule) -> None:
    """Fail with what to install where libvirt's Python binding is missing."""
    if connection.IMPORT_ERROR is not None:
        module.fail_json(
            msg=basic.missing_required_lib("libvirt-python (python3-libvirt)"),
            exception="".join(traceback.format_exception_only(connection.IMPORT_ERROR)),
        )


def write_file(
    module: basic.AnsibleModule, path: str, text: str, mode: int | None = None
) -> dict[str, Any]:
    """Have a file say this; what a module returns of it. In check mode only that.

    `mode` is that of a new file; one that is there keeps its own.
    """
    try:
        there = Path(path).resolve()  # a link stays one
        is_new = not there.exists()
        if not is_new and not there.is_file():  # a device would be replaced, or read without end
            module.fail_json(msg=f"dest: {path} is no regular file; name another")
        before = "" if is_new else there.read_text(encoding="utf-8")
        changed = before != text
        if not there.parent.is_dir():
            module.fail_json(msg=f"dest: the folder {there.parent} does not exist; make it first")
        if changed and not module.check_mode:
            _replace(module, there, text, mode if is_new else None)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"dest: {path} cannot be read or written: {error}")
    diff = {"before_header": path, "after_header": path, "before": before, "after": text}
    return {"changed": changed, "diff": diff}


def _replace(module: basic.AnsibleModule, path: Path, text: str, mode: int | None) -> None:
    handle, made = tempfile.mkstemp(dir=module.tmpdir)
    os.close(handle)
    Path(made).write_text(text, encoding="utf-8")
    try:
        module.atomic_move(made, str(path))
    except Exception as error:  # ansible-core raises nothing more precise
        raise OSError(str(error)) from error
    if mode is not None:
        path.chmod(mode)
