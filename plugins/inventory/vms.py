# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin vms: the VMs of KVM hosts as hosts of Ansible."""

from __future__ import annotations

DOCUMENTATION = r"""
name: vms
short_description: The VMs of KVM hosts as hosts of Ansible
version_added: 0.1.0
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Reads the VMs of any number of KVM hosts through libvirt, all hosts at once. It takes as long as
    the slowest host.
  - Nothing is written. The connections are read-only, but for asking guest agents, which libvirt
    grants to those alone who may write. Passwords in definitions are neither asked for nor told.
  - A host that cannot be read is a warning, and the others are read all the same.
  - What it needs of libvirt it needs on the controller, and nothing on KVM hosts but their libvirt.
    A URI by ssh has to lead there without a question, since nobody can answer.
  - It is for any YAML file whose C(plugin) it is.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [kvm.fleet.vms]
  hosts:
    description:
      - The KVM hosts. A list (or one) of libvirt's connection URIs, and of names of groups or hosts
        of the inventory, which are reached by O(uri).
      - Or a mapping, as M(kvm.fleet.migration) takes it, with the URI of each host by its name,
        or with a mapping that has it as C(uri).
      - A plugin sees what the sources before it have, those that are named before it or, in a
        folder, come before it in the alphabet. So a group has to come from such a source; a name
        that is in none is an error.
      - A host that is given by its URI is called as the server in it, and C(localhost) where it has
        none. Give names in a mapping where two would be called alike.
    type: raw
    required: true
  uri:
    description:
      - How a host of the inventory in O(hosts) is reached, as a template over its variables, those
        in files of C(host_vars) and C(group_vars) beside earlier sources and this one included.
    type: str
    default: >-
      qemu+ssh://{{ ansible_user | default('root')
      }}@{{ ansible_host | default(inventory_hostname) }}/system
  addresses:
    description:
      - Where to look for the addresses of VMs. Of several addresses of one network that counts for
        C(ansible_host) which the first of these knows.
      - V(lease) are those that the DHCP servers of vswitches gave.
      - V(agent) asks the QEMU guest agents that have opened their channel, each for 5 seconds at
        most. What the guest says of itself is believed.
      - V(declared) are those that vswitches keep for a VM (C(hosts) in C(dhcp) of
        M(kvm.fleet.vswitch)), and those of NICs in its C(cloud_init) (M(kvm.fleet.vm)), whether it
        runs or not.
      - V(arp) are those in the ARP table of the host, with one call for each VM. libvirt 9.0 cannot
        read that of recent kernels, which gives a warning.
    type: list
    elements: str
    choices: [lease, agent, declared, arp]
    default: [lease, agent, declared]
  network:
    description:
      - The network from which C(ansible_host) is taken, as the name of a vswitch, of a bridge of
        the host, of a NIC in the VM, or as its addresses (V(192.0.2.0/24)). Of several the first in
        which a VM has an address.
      - A VM that has an address in none of them has no C(ansible_host). Where nothing is named, any
        network does.
      - Addresses of the link or of the machine alone (V(fe80::1), V(127.0.0.1)) are never taken.
    type: list
    elements: str
    default: []
  families:
    description: The families of addresses that C(ansible_host) may be of, the first preferred.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  hostname:
    description:
      - What a VM is called in the inventory, as an expression over its variables. A VM for which it
        has none, or an empty one, is called by its own name, with a warning. With O(strict) it is
        an error that something in it is not defined.
      - Where several VMs come to one name, none is lost. Each is called NAME@HOST, and NAME is a
        group of them, unless there is a host or a group of this name already. One VM (by its UUID)
        that is on several hosts, as while it moves, is NAME where it runs, if it runs on one of
        them. A VM that is called as one of the KVM hosts is NAME@HOST too, and so is one that is
        called as a group or another host of the sources before this one, as a group of O(group) or
        O(groups), or C(localhost), so that no play is about something else than was meant. All of
        that is told in a warning.
      - Which name a VM has then depends on which hosts could be read. Name all of them by their
        hosts, C(kvm_name ~ '@' ~ kvm_host), where names repeat.
    type: str
    default: kvm_name
  filter:
    description:
      - An expression over the variables of a VM. One of which it is not true is left out, and so is
        one that lacks something in it, such as a tag, unless O(strict) makes that an error.
    type: str
    default: "true"
  group:
    description: A group of all VMs that are read here. An empty string makes none.
    type: str
    default: kvm_vms
  timeout_s:
    description:
      - How long one host may take, in seconds. 64 are read at the same time.
      - Of one that told its VMs in this time and not all of what their guest agents say, the VMs
        come without the rest, with a warning.
    type: float
    default: 30.0
  on_unreachable:
    description:
      - What becomes of a host that cannot be read. V(warn) leaves its VMs out and tells so. V(fail)
        makes it an error of this source, for inventories by which something is removed, say.
    type: str
    choices: [warn, fail]
    default: warn
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - python3-libvirt (libvirt-python) on the controller
notes:
  - >-
    Each VM has these variables. C(ansible_host), where it has an address (O(network)); C(kvm_host)
    and C(kvm_uri), where it is; C(kvm_name), C(kvm_uuid), C(kvm_state), C(kvm_autostart),
    C(kvm_persistent), C(kvm_managed), C(kvm_guest_agent), C(kvm_migration) as
    M(kvm.fleet.vm_info) tells them; C(kvm_title), C(kvm_description), C(kvm_tags), C(kvm_scope),
    C(kvm_group), C(kvm_protected), C(kvm_template), C(kvm_resource_pool), C(kvm_machine),
    C(kvm_firmware), C(kvm_cpu) and C(kvm_memory) as options of M(kvm.fleet.vm); C(kvm_disks) and
    C(kvm_nics), lists with the names of each, what it stands on and what it is; C(kvm_vswitches)
    and C(kvm_bridges), lists of names;
    C(kvm_addresses), each with C(nic), C(mac), C(address), C(prefix), C(sources), and C(vswitch) or
    C(bridge).
  - A VM that runs is told of as it runs, any other as it is stored.
  - Texts of a VM, its tags, title and description, are never taken for templates.
  - With a cache, hosts that were read are in it, by their URI and by O(addresses). One that could
    not be read is asked again the next time.
seealso:
  - module: kvm.fleet.vm_info
  - module: kvm.fleet.vm
"""

EXAMPLES = r"""
# fleet.kvm.yml: two hosts by their URIs, and groups by what an operator wrote into tags.
# `ansible-inventory -i fleet.kvm.yml --graph` shows them.
plugin: kvm.fleet.vms
hosts:
  kvm1: qemu+ssh://root@kvm1.example.org/system
  kvm2: qemu+ssh://root@kvm2.example.org/system
network: [lan]
keyed_groups:
  - {key: kvm_tags, prefix: tag}
  - {key: kvm_host, prefix: host}
  - {key: kvm_vswitches, prefix: net}
  - {key: kvm_state, separator: ""}
groups:
  waiting_for_an_address: kvm_state == 'running' and ansible_host is not defined
compose:
  ansible_user: kvm_tags.login | default('debian')

# inventory/20-vms.yml: the hosts are those of a group in inventory/10-hosts.yml. VMs in networks
# that only their host reaches are connected to by way of it.
# plugin: kvm.fleet.vms
# hosts: kvm_hosts
# filter: kvm_managed and kvm_state == 'running'
# addresses: [agent, lease]
# keyed_groups:
#   - {key: kvm_tags.role, prefix: role}
# compose:
#   ansible_ssh_common_args: >-
#     '-o ProxyJump=root@' ~ (kvm_uri | urlsplit('hostname'))
# cache: true
# cache_plugin: jsonfile
# cache_connection: /var/tmp/kvm-inventory
# cache_timeout: 300

# The VMs of this machine, each called by the name of its host as well.
# plugin: kvm.fleet.vms
# hosts: qemu:///system
# hostname: kvm_name ~ '@' ~ kvm_host
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleParserError, AnsibleUndefinedVariable
from ansible.inventory.helpers import get_group_vars
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ..module_utils.engine.errors import FleetError, FleetErrors, Mistakes
from ..module_utils.host.connection import IMPORT_ERROR
from ..module_utils.inventory.at_once import Outcome, ask_all
from ..module_utils.inventory.hosts import Source, sources_of
from ..module_utils.inventory.naming import Named, naming, possible
from ..module_utils.inventory.naming import unnamed as unnamed_said
from ..module_utils.inventory.reader import Reading, is_reading, read
from ..module_utils.kinds.vm.reaching import address_of, mistaken

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 all texts are templates but those that are wrapped
    from ansible.utils.unsafe_proxy import wrap_var as untrusted

    def trust_as_template(text: str) -> str:
        return text
else:

    def untrusted(value: Any) -> Any:
        return value


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """What Ansible looks for in this file."""

    NAME = "kvm.fleet.vms"

    def verify_file(self, path: str) -> bool:
        """Whether a source may be for this plugin; its first key says whether it is."""
        is_yaml = Path(path).suffix in C.YAML_FILENAME_EXTENSIONS
        return bool(super().verify_file(path)) and is_yaml

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the VMs of the hosts that a source names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if IMPORT_ERROR is not None:
            raise AnsibleParserError(
                f"libvirt's Python binding is missing on the controller ({IMPORT_ERROR}); install "
                "python3-libvirt, or libvirt-python into the environment that Ansible runs in"
            )
        try:
            sources = self._sources(path)
        except FleetErrors as errors:
            raise AnsibleParserError(str(errors)) from errors
        outcomes = self._outcomes(sources, path, cache)
        self._tell(outcomes)
        self._add(sources, outcomes)

    # ---- the hosts

    def _sources(self, path: str) -> list[Source]:
        """The hosts that are to be read. FleetErrors with all that is wrong with the options."""
        mistakes = Mistakes()
        for said in mistaken(self.get_option("network")):
            mistakes.add(said, "network")
        if self.get_option("timeout_s") <= 0:
            mistakes.add("is no time; write seconds above 0", "timeout_s")
        sources = []
        try:
            sources = sources_of(self.get_option("hosts"), partial(self._resolved, path))
        except FleetErrors as errors:
            mistakes.extend(errors.errors)
        mistakes.raise_any()
        return sources

    def _resolved(self, path: str, name: str) -> dict[str, str]:
        """The hosts of the inventory that a name stands for, with their URIs."""
        if name in self.inventory.groups:
            hosts = self.inventory.groups[name].get_hosts()
        elif name in self.inventory.hosts:
            hosts = [self.inventory.hosts[name]]
        else:
            raise FleetError(
                f"{name} is neither a URI of libvirt nor a group or host of the sources before "
                "this one; name this source after the one that has it (-i, or its file's name)",
                field="hosts",
            )
        if not hosts:
            self.display.warning(f"{path}: hosts: the group {name} has no hosts")
        return {host.name: self._uri_of(host, path) for host in hosts}

    def _uri_of(self, host: Any, path: str) -> str:
        variables = {**self._variables_of(host, path), "inventory_hostname": host.name}
        self.templar.available_variables = variables
        try:
            return str(self.templar.template(trust_as_template(self.get_option("uri"))))
        except Exception as error:
            raise FleetError(f"of {host.name} cannot be made: {error}", field="uri") from error

    def _variables_of(self, host: Any, path: str) -> dict[str, Any]:
        """What is known of a host so far, files beside the sources included."""
        beside = [*getattr(self.inventory, "processed_sources", ()), path]

        def in_files(entities: list[Any]) -> dict[str, Any]:
            return get_vars_from_inventory_sources(self.loader, beside, entities, "all")

        groups = host.get_groups()
        found: dict[str, Any] = {}
        for variables in (
            *(get_group_vars(groups), in_files(groups)),
            *(host.get_vars(), in_files([host])),
        ):
            found = combine_vars(found, variables)
        return found

    # ---- reading them

    def _outcomes(
        self, sources: list[Source], path: str, cache: bool
    ) -> dict[str, Outcome[Reading]]:
        """What each host tells, by the cache where it is asked and has it."""
        asked = list(self.get_option("addresses"))
        keys = {source.name: f"{source.uri} {','.join(sorted(asked))}" for source in sources}
        caches = self.get_option("cache")
        cached = self._cached(path) if caches and cache else {}
        known = {name: Outcome(cached[key]) for name, key in keys.items() if key in cached}
        askers = {s.name: partial(read, s.uri, asked) for s in sources if s.name not in known}
        found = ask_all(askers, self.get_option("timeout_s"))
        if caches and found:
            fresh = {keys[name]: one.answer for name, one in found.items() if not one.error}
            self._cache[self.get_cache_key(path)] = {**cached, **fresh}
        return {**known, **found}

    def _cached(self, path: str) -> dict[str, Any]:
        """What the cache has of each host; what is none of ours there is as nothing."""
        try:
            found = self._cache[self.get_cache_key(path)]
        except KeyError:
            return {}
        entries = found.items() if isinstance(found, Mapping) else ()
        return {key: one for key, one in entries if is_reading(one)}

    def _tell(self, outcomes: Mapping[str, Outcome[Reading]]) -> None:
        """Warn of hosts that could not be read, or not all of them."""
        wrong = [f"{name} {_said(one)}" for name, one in outcomes.items() if one.error]
        if wrong and self.get_option("on_unreachable") == "fail":
            raise AnsibleParserError("; ".join(wrong))
        for text in wrong:
            self.display.warning(f"KVM host {text}")
        for name, one in outcomes.items():
            for text in one.answer["warnings"] if one.answer else ():
                self.display.warning(f"KVM host {name}: {text}")

    # ---- the inventory

    def _add(self, sources: list[Source], outcomes: Mapping[str, Outcome[Reading]]) -> None:
        unnamed: list[Mapping[str, Any]] = []
        wanted = list(self._wanted(outcomes, unnamed))
        found = naming(wanted, {source.name for source in sources}, self._reserved(wanted))
        for text in (*([unnamed_said(unnamed)] if unnamed else ()), *found.warnings):
            self.display.warning(text)
        group = self.get_option("group")
        group = self.inventory.add_group(group) if group else None
        for name, variables in found.vms:
            self._add_vm(self.inventory.add_host(name, group=group), variables)
        for name, members in found.groups.items():
            if name not in self.inventory.groups:  # by a group of expressions meanwhile
                of_name = self.inventory.add_group(name)
                for member in members:
                    self.inventory.add_child(of_name, member)

    def _reserved(self, wanted: list[Named]) -> set[str]:
        """The names that no VM takes: of what there is, of this machine, and of groups to come. A
        VM that an earlier source has read is the same host."""
        same = {
            (str(one), str(vm["kvm_uuid"])) for name, vm in wanted for one in possible(name, vm)
        }
        there = {
            name
            for name, host in self.inventory.hosts.items()
            if (name, str(host.get_vars().get("kvm_uuid"))) not in same
        }
        to_come = {self.get_option("group") or "all", *(self.get_option("groups") or ())}
        return {*there, *self.inventory.groups, *C.LOCALHOST, *to_come}

    def _wanted(
        self, outcomes: Mapping[str, Outcome[Reading]], unnamed: list[Mapping[str, Any]]
    ) -> Iterator[Named]:
        """The VMs that are to come, each with the name that it is to have. Those for which there
        is none are `unnamed`, too."""
        where, hostname = self.get_option("filter"), self.get_option("hostname")
        for host, outcome in outcomes.items():
            for told in outcome.answer["vms"] if outcome.answer else ():
                vm = self._with_address(untrusted({**told, "kvm_host": host}))
                if not self._passes(where, vm):
                    continue
                is_plain = hostname == "kvm_name"
                said = vm["kvm_name"] if is_plain else self._valued("hostname", hostname, vm)
                name = "" if said is None else str(said).strip()
                if not name:
                    unnamed.append(vm)
                yield Named(name or str(vm["kvm_name"]), vm)

    def _passes(self, where: str, vm: Mapping[str, Any]) -> bool:
        """Whether a VM comes. Nothing said is all, and so is a YAML true, which comes as a word."""
        if where.strip().lower() in ("", "true"):
            return True
        return boolean(self._valued("filter", where, vm), strict=False)

    def _with_address(self, vm: dict[str, Any]) -> dict[str, Any]:
        options = ("network", "addresses", "families")
        address = address_of(vm["kvm_addresses"], *(self.get_option(name) for name in options))
        return vm if address is None else {**vm, "ansible_host": untrusted(address)}

    def _valued(self, option: str, expression: str, vm: Mapping[str, Any]) -> Any:
        """The value of an expression for a VM; None where something in it is not defined."""
        try:
            return self._compose(expression, vm)
        except AnsibleUndefinedVariable as error:
            if self.get_option("strict"):
                raise self._no_value(option, vm, error) from error
            return None
        except Exception as error:
            raise self._no_value(option, vm, error) from error

    def _no_value(self, option: str, vm: Mapping[str, Any], error: Exception) -> AnsibleParserError:
        vm_said = f"{vm['kvm_name']} on {vm['kvm_host']}"
        return AnsibleParserError(f"{option}: has no value for {vm_said}: {error}")

    def _add_vm(self, name: str, variables: Mapping[str, Any]) -> None:
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        how = {"strict": self.get_option("strict")}
        self._set_composite_vars(self.get_option("compose"), dict(variables), name, **how)
        # With what was composed, and what earlier sources say of a host of this name.
        everything = self.inventory.get_host(name).get_vars()
        how["fetch_hostvars"] = False
        self._add_host_to_composed_groups(self.get_option("groups"), everything, name, **how)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), everything, name, **how)

    def _compose(self, template: str, variables: Mapping[str, Any], *more: Any) -> Any:
        """The value of an expression. Most are names of variables, which Ansible would compile anew
        for each VM, at more than all that is read of it takes."""
        plain = str(template).strip()
        if plain.startswith("kvm_") and plain in variables and plain not in self._vars:
            return variables[plain]
        return super()._compose(template, variables, *more)


def _said(outcome: Outcome[Reading]) -> str:
    """What went wrong with a host, and whether its VMs are known all the same."""
    if outcome.answer is None:
        return f"was not read, its VMs are missing: {outcome.error}"
    return f"was read, but not all addresses of its VMs: {outcome.error}"
