"""What libvirt is asked about its jobs, in the moments in which it does not know."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import reader_records


class Failed(libvirt.libvirtError):
    """An error of libvirt with a code."""

    def __init__(self, code: int) -> None:
        super().__init__("backup job data missing")
        self.code = code

    def get_error_code(self) -> int:
        return self.code


def test_a_backup_that_begins_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [
        Failed(libvirt.VIR_ERR_INTERNAL_ERROR),
        Failed(libvirt.VIR_ERR_INTERNAL_ERROR),
        {"type": 2},
    ]

    def ask() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Failed):
            raise answer
        return dict(answer)

    assert reader_records._settled(ask) == {"type": 2} and answers == []
    answers = [Failed(libvirt.VIR_ERR_OPERATION_TIMEOUT), {"type": 2}]
    with pytest.raises(Failed):
        reader_records._settled(ask)
    monkeypatch.setattr(reader_records, "SETTLES_S", 0.0)
    answers = [Failed(libvirt.VIR_ERR_INTERNAL_ERROR)] * 3
    with pytest.raises(Failed):
        reader_records._settled(ask)
