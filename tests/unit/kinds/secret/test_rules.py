"""What a value can be."""

from __future__ import annotations

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import rules


def said_of(value: str) -> list[str]:
    mistakes = Mistakes("secret/iscsi/a")
    rules.with_octets({"type": "iscsi", "value": value}, mistakes)
    return [error.message for error in mistakes.errors]


def test_a_value_is_as_long_as_libvirts_protocol_takes_it() -> None:
    assert said_of("x" * rules.MOST_BYTES) == []
    assert said_of("é" * rules.MOST_BYTES) == ["is longer than the 65536 bytes that libvirt takes"]
