"""The common CPU of hosts: what is taken of domain capabilities, and what is refused beforehand."""

from __future__ import annotations

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetErrors
from ansible_collections.kvm.fleet.plugins.module_utils.moving import baseline
from support.cpus import MILAN, ROME, SKYLAKE, capabilities

OLD, NEW = 9_000_000, 11_003_000


def offers(**models: str) -> list[baseline.Offer]:
    return [baseline.offer(name, NEW, capabilities(cpu)) for name, cpu in models.items()]


def test_a_host_offers_the_model_of_its_host_model() -> None:
    [one] = offers(kvm1=ROME)
    assert (one.model, one.vendor) == ("EPYC-Rome", "AMD")
    assert "x2apic" in one.cpu and "<cpu>" in one.cpu
    assert "maxphysaddr" not in one.cpu  # which only newer versions know
    assert "usable" not in one.cpu  # nothing of the other modes


@pytest.mark.parametrize(
    "told",
    [
        "<domainCapabilities/>",
        "<domainCapabilities><cpu><mode name='host-model' supported='no'/></cpu>"
        "</domainCapabilities>",
    ],
)
def test_a_host_without_a_model_is_named_with_what_to_do(told: str) -> None:
    known = offers(kvm1=ROME)
    with pytest.raises(FleetErrors) as raised:
        baseline.refuse([*known, baseline.offer("kvm2", OLD, told)])
    assert "cpu_baseline hosts.kvm2: its libvirt tells no model" in str(raised.value)
    assert "kvm1" not in str(raised.value)


def test_vendors_that_differ_are_refused_with_each_host() -> None:
    with pytest.raises(FleetErrors) as raised:
        baseline.refuse(offers(kvm1=ROME, kvm2=SKYLAKE))
    said = str(raised.value)
    assert "kvm1 has EPYC-Rome (AMD), kvm2 has Skylake-Server (Intel)" in said
    baseline.refuse(offers(kvm1=ROME, kvm2=MILAN))


def test_the_oldest_libvirt_is_asked_first() -> None:
    new, old = offers(kvm1=ROME, kvm2=MILAN)
    asked = baseline.askers([new, old._replace(libvirt=OLD)])
    assert [one.host for one in asked] == ["kvm2", "kvm1"]


def test_an_answer_is_told_as_options_of_a_vm() -> None:
    answer = """
    <cpu mode='custom' match='exact'>
      <model fallback='forbid'>EPYC-Rome</model>
      <vendor>AMD</vendor>
      <feature policy='require' name='x2apic'/>
      <feature policy='disable' name='svm'/>
    </cpu>"""
    assert baseline.declared(answer) == {
        "mode": "custom",
        "model": "EPYC-Rome",
        "features": [
            {"name": "svm", "policy": "disable"},
            {"name": "x2apic", "policy": "require"},
        ],
    }


def test_what_is_given_up_is_what_the_common_one_lacks() -> None:
    both = "<cpu><model>A</model><feature name='a'/><feature name='b' policy='require'/></cpu>"
    one = "<cpu><model>A</model><feature name='a'/><feature name='b' policy='disable'/></cpu>"
    assert baseline.given_up(both, one) == ["b"]
    assert baseline.given_up(one, both) == []


def test_where_none_is_found_it_is_said_what_each_host_answered() -> None:
    error = baseline.none_found(
        offers(kvm1=ROME, kvm2=MILAN), ["kvm2 cannot run EPYC (no svm)", "kvm1 finds none (x)"]
    )
    assert str(error) == (
        "cpu_baseline hosts: no model for all of kvm1 has EPYC-Rome (AMD), kvm2 has EPYC-Milan"
        " (AMD): kvm2 cannot run EPYC (no svm); kvm1 finds none (x)"
    )
