"""What is left of a secret that could not be made."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import CREATE
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret import steps
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.secret.applier import apply_secret

SECRET = "<secret><uuid>6d4c1a0e-0f6b-4a3c-9a53-0a8a4b3d2c1f</uuid></secret>"


class Libvirt:
    """One secret, whoever made it; some call fails."""

    def __init__(self, fails: str) -> None:
        self.fails = fails
        self.gone = False

    def secretDefineXML(self, _text: str, _flags: int) -> None:
        self._called("define")

    def setValue(self, _value: bytes, _flags: int) -> None:
        self._called("set")

    def secretLookupByUUIDString(self, _uuid: str) -> Libvirt:
        return self

    def undefine(self) -> None:
        self.gone = True

    def _called(self, name: str) -> None:
        if name == self.fails:
            raise libvirt.libvirtError(name)


@pytest.mark.parametrize(("fails", "goes"), [("define", False), ("set", True)])
def test_only_what_the_run_defined_is_taken_back(fails: str, goes: bool) -> None:
    """Somebody else may have defined that UUID since the plan was made."""
    there: Any = Libvirt(fails)
    host: Any = SimpleNamespace(conn=there, errors=lambda *_said: nullcontext())
    after = SimpleNamespace(definition=xmltree.parse(SECRET))
    plan: Any = SimpleNamespace(action=CREATE, after=after, resource="secret/iscsi/a")
    with pytest.raises(libvirt.libvirtError):
        apply_secret(host, plan, [steps.DEFINE, steps.SET])
    assert there.gone is goes
