# SPDX-License-Identifier: GPL-3.0-or-later
"""User data and vendor data: a mapping or a text, and what of it cloud-init would not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....engine.errors import Mistakes
from ....engine.hidden import revealed
from ....engine.yaml_text import to_yaml
from . import schema

CLOUD_CONFIG = "#cloud-config"
# By how it begins cloud-init knows what it is (cloudinit.handlers.INCLUSION_TYPES_MAP).
HEADERS = (
    CLOUD_CONFIG,
    *("#!", "#include", "#include-once", "#cloud-boothook", "#part-handler"),
    *("#cloud-config-archive", "#cloud-config-jsonp", "## template: jinja"),
    *("Content-Type:", "MIME-Version:"),
    *("#ps1", "rem cmd"),  # what cloudbase-init runs in Windows; #ps1_sysnative and the like too
)


def text_of(value: Any) -> str:
    """It as it stands in the seed; a mapping becomes a cloud-config."""
    if isinstance(value, Mapping):
        return f"{CLOUD_CONFIG}\n{yaml_of(value)}"
    text = str(revealed(value) or "").replace("\r\n", "\n")
    return text if not text or text.endswith("\n") else f"{text}\n"


def yaml_of(value: Mapping[str, Any]) -> str:
    """A mapping as YAML, in which one of the same content has the same letters."""
    return to_yaml(_plain(value)).replace("\x7f", "\\x7f")


def _plain(value: Any) -> Any:
    """Numbers and the like stay what they are; what is of Ansible's own types becomes plain."""
    if isinstance(value, Mapping):
        return {str(key): _plain(below) for key, below in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    is_plain = value is None or isinstance(value, (bool, int, float))
    return value if is_plain else str(revealed(value))


def check(value: Any, part: str, mistakes: Mistakes) -> None:
    """What is neither a mapping nor a text, or a text that cloud-init would pass over."""
    if value is None or isinstance(value, Mapping):
        for message in schema.wrong(value or {}):
            mistakes.add(message, part)
        return
    if not isinstance(value, str):
        mistakes.add("is neither a mapping nor a text", part)
        return
    text = str(revealed(value))
    if not text.lower().startswith(tuple(header.lower() for header in HEADERS)):
        mistakes.add(
            f"begins with none of {', '.join(HEADERS)}, and cloud-init would pass over it", part
        )
    elif text.partition("\n")[0].strip() == CLOUD_CONFIG:
        config, why_not = _read(text)
        for message in [why_not] if why_not else schema.wrong(config):
            mistakes.add(message, part)


def unknown_in(value: Any) -> list[str]:
    """What is said of the keys of a cloud-config that no version of cloud-init is known to read."""
    if isinstance(value, Mapping):
        return [*schema.unknown(value)]
    text = str(revealed(value) or "")
    is_one = text.partition("\n")[0].strip() == CLOUD_CONFIG
    return [*schema.unknown(_read(text)[0])] if is_one else []


def _read(text: str) -> tuple[Mapping[str, Any], str]:
    """A cloud-config, and why it cannot be read; told only where there is PyYAML, and without
    quoting."""
    try:
        import yaml
    except ImportError:
        return {}, ""
    try:
        read = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return {}, f"is no YAML from line {mark.line + 1} on" if mark else "is no YAML"
    except (yaml.YAMLError, ValueError):
        return {}, "is no YAML"
    if read is None or isinstance(read, dict):
        return read or {}, ""
    return {}, "is YAML, but no mapping, which a cloud-config is"
