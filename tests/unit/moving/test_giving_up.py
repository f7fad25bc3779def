"""A migration that is given up, and does not end."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError
from ansible_collections.kvm.fleet.plugins.module_utils.moving import applier_live, watching


class _Call:
    """What goes on until it is told to end, or even then."""

    def __init__(self, obeys: bool) -> None:
        self.obeys, self.goes_on = obeys, True

    def join(self, _within_s: float) -> None:
        pass

    def is_alive(self) -> bool:
        return self.goes_on

    def abort(self) -> None:
        self.goes_on = not self.obeys


@pytest.fixture
def look_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[_Call], None]:
    monkeypatch.setattr(applier_live, "let_go", lambda dom: None)
    monkeypatch.setattr(applier_live, "_in_halves", lambda dom: False)
    ends = [SimpleNamespace(name=name, uri=name, migration_uri=name) for name in ("kvm1", "kvm2")]
    move = SimpleNamespace(source=ends[0], target=ends[1])
    job: Any = SimpleNamespace(resource="migration/web", name="web", move=move)
    pulse: Any = SimpleNamespace(silent_s=0.0)
    watch: Any = SimpleNamespace(see=lambda *_seen: watching.ABORT, why="it stands still")

    def run(call: Any) -> None:
        dom = SimpleNamespace(jobStats=dict, abortJob=call.abort)
        applier_live._look_on(job, dom, call, watch, pulse)

    return run


def test_one_that_ends_is_over(look_on: Callable[[_Call], None]) -> None:
    look_on(_Call(obeys=True))


def test_one_that_goes_on_is_told_and_not_waited_for(look_on: Callable[[_Call], None]) -> None:
    with pytest.raises(applier_live.NotEnded) as error:
        look_on(_Call(obeys=False))
    assert "libvirt at kvm1 does not end the migration" in str(error.value)


def test_in_post_copy_nothing_is_aborted(
    look_on: Callable[[_Call], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier_live, "_in_halves", lambda dom: True)
    call = _Call(obeys=True)
    with pytest.raises(FleetError) as error:
        look_on(call)
    assert call.goes_on and "it stands still; it is in halves" in str(error.value)


def test_who_is_silent_in_post_copy_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse: Any = SimpleNamespace(silent_s=watching.SILENCE_S + 1)
    for halves, silent_s in ((True, 0.0), (False, pulse.silent_s)):
        monkeypatch.setattr(applier_live, "_in_halves", lambda dom, halves=halves: halves)
        assert applier_live._silence(None, pulse) == silent_s
