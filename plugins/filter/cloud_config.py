# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cloud-config against the schema that cloud-init publishes, where Ansible runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_config
short_description: Check a cloud-config against cloud-init's schema
version_added: 0.1.0
description:
  - Returns a cloud-config as it is, if the schema of a cloud-init knows all that is in it. Else it
    fails, and says of each mistake where it is, what is wanted and what is found. No value is
    quoted.
  - For O(kvm.fleet.vm#module:cloud_init.user_data) and
    O(kvm.fleet.vm#module:cloud_init.vendor_data). The check is made on the controller. Each
    version of cloud-init has a schema of its own, so the nearer the controller's is to that of the
    image, the more it is worth.
  - A text that is no cloud-config, such as a shell script, is returned as it is. So is a template
    that the guest renders.
positional: schema
options:
  _input:
    description: The cloud-config, a mapping or a text.
    type: raw
    required: true
  schema:
    description:
      - The schema, a file on the controller. A path that is not absolute begins where Ansible was
        started. Omitted it is C(schema-cloud-config-v1.json) of the cloud-init that is installed
        there, as by Debian's package C(cloud-init).
      - With C(schema-network-config-v2.json) of a newer cloud-init,
        O(kvm.fleet.vm#module:cloud_init.network_config) can be checked too.
    type: path
  required:
    description:
      - Whether it is an error that there is no schema, or no C(jsonschema) to check by. With
        V(false) it is a warning, and nothing is checked.
    type: bool
    default: true
requirements:
  - The Python library C(jsonschema), and cloud-init or its schema, on the controller
notes:
  - Debian's C(cloud-init) is a service that sets up the machine it is installed on. On a controller
    take its file alone, or mask it first, by C(touch /etc/cloud/cloud-init.disabled).
author:
  - kvm.fleet contributors
"""

EXAMPLES = r"""
- name: A VM whose user-data are checked before the host sees them
  kvm.fleet.vm:
    name: web
    state: running
    cloud_init:
      user_data: "{{ web_user_data | kvm.fleet.cloud_config(schema) }}"
  vars:
    schema: "{{ playbook_dir }}/schema-cloud-config-v1.json"
    web_user_data:
      packages: [nginx]
      runcmd:
        - [systemctl, enable, --now, nginx]
"""

RETURN = r"""
_value:
  description: The cloud-config, as it was given.
  type: raw
"""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

HEADER = "#cloud-config"
SCHEMA = "schema-cloud-config-v1.json"
# Where distributions have it, which a Python in an environment of its own does not see.
PLACES = (Path("/usr/lib/python3/dist-packages"), *Path("/usr/lib").glob("python3.*/site-packages"))
# Of more mistakes than these the first ones are enough.
MANY = 8
TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
    "number": "a number",
    "object": "a mapping",
    "string": "a text",
}


class NotChecked(Exception):
    """Why nothing could be checked."""


def cloud_config(data: Any, schema: str = "", required: bool = True) -> Any:
    """The data, if a schema has nothing against them."""
    config = _config_of(data)
    if config is None:
        return data
    try:
        wrong = list(mistakes(config, schema))
    except NotChecked as error:
        if required:
            raise AnsibleFilterError(f"cloud-config: not checked: {error}") from error
        Display().warning(f"cloud-config: not checked: {error}")
        return data
    if wrong:
        more = [f"and {len(wrong) - MANY} more"] if len(wrong) > MANY else []
        raise AnsibleFilterError(f"cloud-config: {'; '.join([*wrong[:MANY], *more])}")
    return data


def _config_of(data: Any) -> Any:
    """What is to be checked, in plain types; None of what is no cloud-config."""
    try:
        return _parsed(data)
    except RecursionError:  # by an alias of YAML inside its own anchor
        raise AnsibleFilterError("cloud-config: has a value that holds itself") from None


def _parsed(data: Any) -> Any:
    if not isinstance(data, str):
        return _plain(data)
    if data.partition("\n")[0].strip() != HEADER:
        return None
    import yaml

    try:
        return _plain(yaml.safe_load(data) or {})
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" from line {mark.line + 1} on" if mark else ""
        # Not from the error, of which Ansible would show what it quotes.
        raise AnsibleFilterError(f"cloud-config: is no YAML{where}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)


def mistakes(config: Any, schema: str = "") -> Iterator[str]:
    """What a schema has against a configuration, in the order of the places. NotChecked."""
    try:
        from jsonschema import Draft4Validator  # type: ignore[import-untyped]
        from jsonschema.validators import validator_for  # type: ignore[import-untyped]
    except ImportError as error:
        raise NotChecked(f"{error}; install jsonschema where Ansible runs") from error
    path = Path(schema) if schema else _found()
    read = _read(path)
    try:
        validator = validator_for(read, default=Draft4Validator)(read)
        found = sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.path)))
    except Exception as error:  # a wrong schema has many; their texts quote what was checked
        why = type(error).__name__
        raise NotChecked(f"{path} is no schema that jsonschema can follow ({why})") from None
    yield from dict.fromkeys(map(_said, found))


def _found() -> Path:
    """The schema of the cloud-init that is installed here."""
    spec = find_spec("cloudinit")
    packages = [Path(one).parent for one in (spec and spec.submodule_search_locations) or ()]
    for place in (*packages, *PLACES):
        path = place / "cloudinit/config/schemas" / SCHEMA
        if path.is_file():
            return path
    raise NotChecked(f"there is no {SCHEMA} of cloud-init here; give one by schema=PATH")


def _read(path: Path) -> Any:
    try:
        read = json.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise NotChecked(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise NotChecked(f"{path} is no schema: it is no JSON") from error
    if not isinstance(read, dict):
        raise NotChecked(f"{path} is no schema: it is no mapping")
    return read


def _said(error: Any) -> str:
    """A mistake: where, what is wanted, what is found, without a value of the user's."""
    while error.context:  # several forms are possible
        nearest = max(error.context, key=_fit)
        if not any(_fit(nearest)):
            break
        error = nearest
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {_wrong(error)}" if where else _wrong(error)


def _fit(error: Any) -> tuple[int, bool]:
    """How far one of several forms fits: how deep the mistake is, and whether the type is right."""
    return len(error.path), error.validator not in ("type", "enum")


def _wrong(error: Any) -> str:
    found = _type_of(error.instance)
    wanted = error.validator_value
    if error.context or error.validator in ("type", "enum"):
        beside = error.context or _at_the_same_place(error)
        named = " or ".join(dict.fromkeys(name for one in beside for name in _named(one)))
        is_word = isinstance(error.instance, str) and error.validator == "enum"
        return f"wanted {named or 'another form'}, found {'another' if is_word else found}"
    if error.validator == "additionalProperties":
        return "; ".join(_unknown(error.instance, error.schema))
    if error.validator == "required":
        missing = [name for name in wanted if name not in error.instance]
        return f"wanted {', '.join(missing)}, which is not there"
    return f"wanted {error.validator} {wanted if isinstance(wanted, (str, int)) else ''}".rstrip()


def _at_the_same_place(error: Any) -> list[Any]:
    """It, and what the other forms that were possible have against the same value."""
    others = error.parent.context if error.parent is not None else [error]
    return [one for one in others if one.absolute_path == error.absolute_path]


def _named(error: Any) -> list[str]:
    """The types or the words that are wanted where something else is found."""
    wanted = error.validator_value
    if error.validator == "enum":
        return [str(one) for one in wanted]
    if error.validator != "type":
        return []
    return [TYPES.get(one, one) for one in ([wanted] if isinstance(wanted, str) else wanted)]


def _unknown(found: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    known = sorted(schema.get("properties", ()))
    patterns = [re.compile(one) for one in schema.get("patternProperties", ())]
    others = (name for name in set(found) - set(known) if not any(p.search(name) for p in patterns))
    for name in sorted(others):
        near = get_close_matches(name, known, 1, 0.7)
        yield f"there is no {name}{f'; near to it is {near[0]}' if near else ''}"


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return TYPES["boolean"]
    for kind, name in ((str, "string"), (Mapping, "object"), (list, "array"), (int, "integer")):
        if isinstance(value, kind):
            return TYPES[name]
    return "nothing" if value is None else "a number"


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> dict[str, Any]:
        return {"cloud_config": cloud_config}
