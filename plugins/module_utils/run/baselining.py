# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of `cpu_baseline`: every host is asked what it can give, and one for what all can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..engine import xmltree
from ..engine.errors import FleetError, FleetErrors, Mistakes
from ..host.connection import Host, connect, libvirt, said
from ..host.lively import open_watched
from ..moving import baseline
from ..moving.baseline import EMULATED, KVM, Offer
from ..moving.hosts import ways
from .module import require_libvirt
from .opening import is_snapshot

# What compareHypervisorCPU answers where the host has all of a model.
HAS_ALL = (1, 2)  # identical, superset
# libvirt's flags: no feature that keeps a VM from moving, and each feature by its name.
MIGRATABLE = 2
EXPANDED = MIGRATABLE | 1


class Asked(NamedTuple):
    """For VMs of which kind the hosts are asked; None leaves it to each of them."""

    arch: str
    machine: str | None
    virt_type: str

    @property
    def arguments(self) -> tuple[str | None, ...]:
        """As libvirt's calls take them, the emulator first."""
        return None, self.arch, self.machine, self.virt_type


class Found(NamedTuple):
    """The common model, and whose libvirt found it."""

    cpu: str
    by: str


def run(module: AnsibleModule) -> None:
    """Return the model that all hosts can run, and end the module."""
    require_libvirt(module)
    try:
        with ExitStack() as stack:
            hosts = _open(module.params["hosts"], stack)
            asked = _asked(hosts, module.params)
            found = told(hosts, asked)
    except (FleetError, FleetErrors) as error:
        errors = error.errors if isinstance(error, FleetErrors) else (error,)
        module.fail_json(msg=str(error), errors=[str(one) for one in errors])
    module.exit_json(changed=False, **found)


def _open(given: Mapping[str, Any], stack: ExitStack) -> dict[str, Host]:
    """All hosts; those that cannot be reached are told together."""
    mistakes, hosts = Mistakes("cpu_baseline"), {}
    reaches = ways(given, mistakes)
    if not given:
        mistakes.add("names no host; write {kvm1: {uri: qemu+ssh://kvm1/system}, ...}", "hosts")
    mistakes.raise_any()
    for name, reach in reaches.items():
        if is_snapshot(reach.uri):
            mistakes.add(
                "a snapshot has no libvirt that could compare CPUs; give the host's URI",
                f"hosts.{name}.uri",
            )
            continue
        try:
            hosts[name] = stack.enter_context(connect(reach.uri, opening=open_watched))
        except FleetError as error:
            mistakes.add(error.message, f"hosts.{name}")
    mistakes.raise_any()
    return hosts


def _asked(hosts: Mapping[str, Host], params: Mapping[str, Any]) -> Asked:
    """What was not said is what all hosts have in common."""
    arch = params["arch"]
    if not arch:
        by_host = {name: host.arch for name, host in hosts.items()}
        if len(set(by_host.values())) > 1:
            each = ", ".join(f"{name} is {of}" for name, of in by_host.items())
            raise FleetError(f"{each}; say for which arch", "cpu_baseline", "arch")
        arch = next(iter(by_host.values()))
    virt_type = params["virt_type"]
    if virt_type == "auto":
        virt_type = KVM if all(_has_kvm(host, arch) for host in hosts.values()) else EMULATED
    return Asked(arch, params["machine"], virt_type)


def _has_kvm(host: Host, arch: str) -> bool:
    of_arch = f"guest/arch[@name='{arch}']/domain[@type='{KVM}']"
    return host.capabilities.find(of_arch) is not None and host.best_virt_type == KVM


def told(hosts: Mapping[str, Host], asked: Asked) -> dict[str, Any]:
    """The common model of some hosts, and what it costs each of them. Or a FleetError."""
    offers = _offers(hosts, asked)
    baseline.refuse(offers)
    found = _common(hosts, asked, offers)
    return {
        "cpu": baseline.declared(found.cpu),
        "xml": found.cpu,
        "computed_by": found.by,
        "arch": asked.arch,
        "virt_type": asked.virt_type,
        "hosts": [
            {
                "name": one.host,
                "model": one.model,
                "vendor": one.vendor,
                "gives_up": _given_up(hosts[one.host], asked, one.cpu, found.cpu),
            }
            for one in offers
        ],
    }


def _offers(hosts: Mapping[str, Host], asked: Asked) -> list[Offer]:
    mistakes, offers = Mistakes("cpu_baseline"), []
    for name, host in hosts.items():
        try:
            capabilities = host.conn.getDomainCapabilities(*asked.arguments)
        except libvirt.libvirtError as error:
            mistakes.add(f"it has no such VMs: {said(error)}", f"hosts.{name}")
            continue
        offers.append(baseline.offer(name, host.libvirt_version, capabilities))
    mistakes.raise_any()
    return offers


def _common(hosts: Mapping[str, Host], asked: Asked, offers: Sequence[Offer]) -> Found:
    """The first model, of the oldest libvirt first, that every host says it can run."""
    answers: list[str] = []
    for one in baseline.askers(offers):
        try:
            cpu = hosts[one.host].conn.baselineHypervisorCPU(
                *asked.arguments,
                [of.cpu for of in offers],
                MIGRATABLE,
            )
        except libvirt.libvirtError as error:
            answers.append(f"{one.host} finds none ({said(error)})")
            continue
        refusals = list(_refusals(hosts, asked, cpu))
        if not refusals:
            return Found(cpu, one.host)
        answers += refusals
    raise baseline.none_found(offers, answers)


def _refusals(hosts: Mapping[str, Host], asked: Asked, cpu: str) -> Iterator[str]:
    """What keeps hosts from running a model, in the words of their libvirt."""
    fail = libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE
    model = xmltree.get(xmltree.parse(cpu), "model")
    for name, host in hosts.items():
        try:
            answer = host.conn.compareHypervisorCPU(*asked.arguments, cpu, fail)
        except libvirt.libvirtError as error:
            yield f"{name} cannot run {model} ({said(error)})"
            continue
        if answer not in HAS_ALL:
            yield f"{name} cannot run {model}"


def _given_up(host: Host, asked: Asked, own: str, common: str) -> list[str] | None:
    """What VMs of the common model lack of this host's features; None where it cannot tell."""
    try:
        models = [
            host.conn.baselineHypervisorCPU(*asked.arguments, [cpu], EXPANDED)
            for cpu in (own, common)
        ]
    except libvirt.libvirtError:
        return None  # an older one may not know each name of a newer one's features
    return baseline.given_up(*models)
