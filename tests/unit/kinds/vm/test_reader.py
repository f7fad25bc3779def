"""Which VMs are told where some go while they are read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import reader

libvirt = reader.libvirt
NAMES = ("gone", "here", "other")


class NoDomain(libvirt.libvirtError):  # type: ignore[misc, name-defined]
    def __init__(self, code: int) -> None:
        super().__init__("domain not found")
        self._code = code

    def get_error_code(self) -> int:
        return self._code


class Domain:
    """A domain that is off; `gone` is listed, and no longer there when it is asked."""

    def __init__(self, name: str, code: int) -> None:
        self._name, self._code = name, code

    def name(self) -> str:
        return self._name

    def XMLDesc(self, _flags: int) -> str:
        if self._name == "gone":
            raise NoDomain(self._code)
        return f"<domain><name>{self._name}</name></domain>"


class Host:
    """Only what the reader asks of one."""

    def __init__(self, code: int = libvirt.VIR_ERR_NO_DOMAIN) -> None:
        self.conn = self
        self._domains = {name: Domain(name, code) for name in NAMES}

    def errors(self, *_about: str) -> Any:
        return nullcontext()

    def listAllDomains(self, flags: int = 0) -> list[Domain]:
        return [] if flags else list(self._domains.values())

    @property
    def lookupByName(self) -> Callable[[str], Domain]:
        return self._domains.__getitem__


def test_one_that_goes_meanwhile_is_not_there():
    assert set(reader.read_domains(Host())) == {"here", "other"}


def test_a_named_one_that_goes_meanwhile_is_told_as_missing():
    told = reader.read_domains(Host(), ["gone", "here"])
    assert told["gone"] == Have("vm", "gone")
    assert told["here"].stored is not None


def test_other_errors_are_told():
    with pytest.raises(NoDomain):
        reader.read_domains(Host(libvirt.VIR_ERR_INTERNAL_ERROR))
