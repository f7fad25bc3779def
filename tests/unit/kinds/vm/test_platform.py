"""What follows from what is said of a VM's board."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm import platform

HYPERV = ("features", "hyperv")
MODE = (*HYPERV, "mode")


@pytest.mark.parametrize(
    ("said", "stored", "settled"),
    [
        ({"synic": False}, "none", {"synic": False, "mode": "custom"}),
        ({"synic": False}, "passthrough", {"synic": False}),
        ({"mode": "none", "synic": False, "spinlocks": 0}, "none", {"mode": "none"}),
        ({"mode": "none", "synic": False}, "custom", {"mode": "none"}),
        ({"spinlocks": 0, "vendor_id": ""}, "none", {"spinlocks": 0, "vendor_id": ""}),
    ],
)
def test_the_mode_of_hyperv(said: dict[str, Any], stored: str, settled: dict[str, Any]) -> None:
    values = {(*HYPERV, name): value for name, value in said.items()}
    platform.resolve(values, {MODE: stored}, dict(values))
    assert values == {(*HYPERV, name): value for name, value in settled.items()}


@pytest.mark.parametrize(
    ("said", "settled"),
    [
        ({"mode": "host-model", "check": "none"}, {"mode": "host-model", "check": "none"}),
        ({"mode": "maximum", "check": "none"}, {"mode": "maximum", "check": None}),
        ({"check": "partial"}, {"check": "partial"}),
        ({"check": "none"}, {"check": None}),
    ],
)
def test_a_stored_cpu_model_goes_with_its_mode(
    said: dict[str, Any], settled: dict[str, Any]
) -> None:
    stored = {("virt_type",): "qemu", ("cpu", "mode"): "custom", ("cpu", "model"): "qemu64"}
    values = {("cpu", name): value for name, value in said.items()}
    platform.resolve(values, stored, dict(values))
    assert values == {("cpu", name): value for name, value in settled.items()}
