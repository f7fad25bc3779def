"""What libvirt is asked about its jobs, in the moments in which it does not know."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import reader_records


class Failed(libvirt.libvirtError):
    """An error of libvirt."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def get_error_message(self) -> str:
        return self.message


MISSING = "internal error: backup job data missing"


def test_a_backup_that_begins_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [
        Failed(MISSING),
        Failed(MISSING),
        {"type": 2},
    ]

    def ask() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Failed):
            raise answer
        return dict(answer)

    assert reader_records._settled(ask) == {"type": 2} and answers == []
    answers = [Failed("cannot acquire state change lock"), {"type": 2}]
    with pytest.raises(Failed):
        reader_records._settled(ask)
    monkeypatch.setattr(reader_records, "SETTLES_S", 0.0)
    answers = [Failed(MISSING)] * 3
    assert reader_records._settled(ask) is None, "libvirt was restarted as it began"
