"""What is said where ovs-vsctl has no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.host import open_vswitch

# It ends itself so after its --timeout, and says no more than that there was a signal.
ENDS = """#!/bin/sh
echo "terminating with signal 14 (Alarm clock)" >&2
kill -ALRM $$
"""


def test_no_answer_is_said_to_be_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / open_vswitch.PROGRAM
    program.write_text(ENDS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = "no answer within 10 s; do ovsdb-server and ovs-vswitchd run?"
    assert open_vswitch.read_open_vswitch()["error"] == f"ovs-vsctl says: {said}"
    with pytest.raises(FleetError) as error:
        open_vswitch.transact([["add-br", "ovs0"]], "vswitch/prod")
    assert str(error.value).endswith(f"Open vSwitch has not changed the switch: {said}")
