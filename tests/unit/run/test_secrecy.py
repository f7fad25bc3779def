"""A mark in every string option of every module: shown where it is no secret, hidden where it is.

What comes of it on a host is looked at by tests/integration/test_canary.py.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.errors import FleetError, Mistakes
from ansible_collections.kvm.fleet.plugins.module_utils.engine.hidden import Sensitive
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Wanted
from ansible_collections.kvm.fleet.plugins.module_utils.run import runner, secrecy
from ansible_collections.kvm.fleet.plugins.module_utils.run.module import create_module

FOLDER = Path(__file__).parents[3] / "plugins" / "modules"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
MARK = "CANARY-7"
XML = f"<devices><graphics type='vnc' port='5900' passwd='{MARK}'/></devices>"
CMDLINE = f"port='5900' inst.vncpassword={MARK}"
# What goes into a seed for cloud-init as a whole, of which nothing is shown.
OF_SEEDS = ("password_hash", "user_data", "vendor_data", "meta_data", "network_config")
KEYS = "cloud_init.ssh_keys"  # of which what is no public key is hidden as a whole
# What says how hosts are reached, with logins in it.
HOSTS = ("cpu_baseline", "evacuation", "migration", "migration_check")
LOGINS = ("headers", "password")
OPTIONS = ("extra_xml", "boot.cmdline", "disks.network.name", "cdroms.network.name")
LINES_OF_SMBIOS = (
    *(f"bios.{name}" for name in ("date", "release", "vendor", "version")),
    *(f"system.{name}" for name in ("family", "manufacturer", "product", "serial", "sku", "uuid")),
    *(f"base_board.{name}" for name in ("asset", "location", "manufacturer", "product", "serial")),
    *(f"chassis.{name}" for name in ("asset", "manufacturer", "serial", "sku", "version")),
    *("system.version", "base_board.version"),
)
OPTIONS = (*OPTIONS, *(f"smbios.{line}" for line in LINES_OF_SMBIOS))
# Where modules take the options of a VM.
VMS = (
    *(("vm", ""), ("migration", "vm.")),
    *(("host_config", above) for above in ("vms.", "vm_defaults.", "vm_groups.vm.")),
)
# Where they take the image of a volume by URL, and what it is fetched by.
VOLUMES = (
    *(("storage_volume", ""), ("host_config", "storage_volumes.")),
    *((module, f"{above}disks.") for module, above in VMS),
)
WHOLE = {
    *((module, f"{above}cloud_init.{option}") for module, above in VMS for option in OF_SEEDS),
    *((module, f"{above}{KEYS}") for module, above in VMS),
    *((m, f"{above}download.{option}") for m, above in VOLUMES for option in LOGINS),
    *(("secret", "value"), ("host_config", "secrets.value")),
}
# Which options there are with secrets in them. The canary test has each of them.
SENSITIVE = {
    *WHOLE,
    *((module, "hosts") for module in HOSTS),
    *((module, f"{above}{option}") for module, above in VMS for option in OPTIONS),
}
MADE_UP: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "pin": {"type": "str", "no_log": True},
    "count": {"type": "int"},
    "screens": {
        "type": "list",
        "elements": "dict",
        "options": {"port": {"type": "int"}, "password": {"type": "str", "no_log": True}},
    },
    "extra_xml": {"type": "str"},
}
SECRETS = {
    "pin": "CANARY-1",
    "screens": [{"port": 1, "password": "CANARY-2"}, {"port": 2}],
    "extra_xml": XML,
}


class Taken(Exception):
    """Ends a module where it has handed its spec to Ansible."""


def spec_of(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options of a module, with those inside of them wherever they are looked at."""

    def take(_module: Any, argument_spec: dict[str, Any], **_more: Any) -> None:
        raise Taken(argument_spec)

    def create(spec: dict[str, Any], within: Mapping[str, Any] | None = None) -> None:
        raise Taken({**spec, **(within or {})})

    module = importlib.import_module(f"ansible_collections.kvm.fleet.plugins.modules.{name}")
    monkeypatch.setattr(basic.AnsibleModule, "__init__", take)
    monkeypatch.setattr(basic, "_load_params", lambda: None)
    if hasattr(module, "create_module"):
        monkeypatch.setattr(module, "create_module", create)
    with pytest.raises(Taken) as taken:
        module.main()
    return taken.value.args[0]


def planted(
    spec: Mapping[str, Any], mark: str, at: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Parameters with a mark in one option, for every option that takes any text."""
    for name, option in spec.items():
        path, kind = (*at, name), option.get("type", "str")
        below = option.get("options")
        if below:
            for full, params in planted(below, mark, path):
                yield full, {name: [params] if kind == "list" else params}
        elif not option.get("choices") and kind in ("str", "path", "raw", "list", "dict"):
            value = {"list": [mark], "dict": {"any": mark}}.get(kind, mark)
            yield ".".join(path), {name: value}


@pytest.mark.parametrize("name", MODULES)
def test_just_what_is_sensitive_is_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(name, monkeypatch)
    hidden = set()
    for mark in (MARK, XML, CMDLINE):
        for option, params in planted(spec, mark):
            given = secrecy.given(spec, params)
            if given.secrets:
                hidden.add((name, option))
                assert all(MARK in secret for secret in given.secrets), option
                assert MARK not in str(given.shown), option
                assert given.holders == set(params)
                is_read = mark == (CMDLINE if option.endswith("cmdline") else XML)
                is_read = is_read and (name, option) not in WHOLE
                assert "port='5900'" in str(given.shown) or not is_read  # the rest of it
            else:
                assert given.shown == params, option
    assert hidden == {one for one in SENSITIVE if one[0] == name}


def test_misspelt_options_are_hidden_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of("host_config", monkeypatch)
    for one in (
        {"vms": [{"name": "a", "graphics": {"password": MARK}}]},
        {"vms": [{"name": "a", "graphics": f"type=vnc password={MARK}"}]},
        {"vms": [{"name": "a", "extraxml": XML}]},
        {"vms": [{"name": "a", "boot": {"cmd_line": CMDLINE}}]},
        {"vm": [{"name": "a", "deep": [{"root_password": [MARK]}]}]},
        {"vm": [{"name": "a", "cloud_init": {"user_data": {"any": MARK}}}]},
        {"vms": [{"name": "a", "cloudinit": {"user_data": {"any": MARK}}}]},
        {"secret": [{"name": "a", "type": "iscsi", "value": MARK}]},
        {"vms": [{"name": "a", "disks": [{"file": f"https://me:{MARK}@192.0.2.1/a"}]}]},
        {"vms": [{"name": "a", "sysprep": {"root_password": MARK}}]},
    ):
        given = secrecy.given(spec, one)
        assert MARK not in str(given.shown) and "'a'" in str(given.shown), given.shown


def test_the_choices_of_an_option_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else none of them could be told where one is wanted."""
    given = secrecy.given(spec_of("vm", monkeypatch), {"video": {"model": "none", "key": MARK}})
    assert given.secrets == {MARK}
    assert given.shown == {"video": {"model": "none", "key": "(hidden)"}}


def test_a_login_is_hidden_in_the_uri_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"qemu+ssh://me:{MARK}@192.0.2.1/system"
    vm, move = (spec_of(module, monkeypatch) for module in ("vm", "migration"))
    for spec, params in (
        (vm, {"uri": uri}),
        (move, {"hosts": {"a": {"uri": uri, "migration_uri": uri}}}),
        (move, {"hosts": {"a": uri}}),
    ):
        given = secrecy.given(spec, params)
        assert MARK not in str(given.shown) and "192.0.2.1/system" in str(given.shown)
        assert given.secrets == {MARK}
    plain = {"uri": "qemu+ssh://root@[fe80::1%25eth0]:22/system?keyfile=/root/key"}
    assert secrecy.given(vm, plain).shown == plain


def test_a_key_that_is_no_public_one_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC someone"
    private = [f"-----BEGIN OPENSSH PRIVATE KEY-----\n{MARK}", f"b3BlbnNzaC1{MARK}"]
    params = {"name": "a", "cloud_init": {"ssh_keys": [public, *private]}}
    given = secrecy.given(spec_of("vm", monkeypatch), params)
    assert given.shown["cloud_init"]["ssh_keys"] == [public, "(hidden)", "(hidden)"]
    assert given.secrets == set(private)


@pytest.mark.parametrize("option", ["value_base64", "vlaue", "values", "secret_value"])
def test_what_is_near_to_a_secret_is_one(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = secrecy.given(spec_of("secret", monkeypatch), {"name": "a", option: MARK})
    assert MARK not in str(given.shown) and given.secrets == {MARK}


# ---- a module with options of all kinds of secrets


class Output:
    """What a module printed, and what it wrote to the system's log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys
        self.log: list[str] = []

    def of(self, params: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """What a run returns that fails, and all that is to be seen of it."""
        given = {"ANSIBLE_MODULE_ARGS": {"name": "web", **params}}
        self.monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(given).encode())
        self.monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        self.monkeypatch.setattr(
            basic.AnsibleModule,
            "_log_to_syslog",
            lambda _module, text: self.log.append(str(text)),
        )
        self.monkeypatch.setattr(basic, "has_journal", False)
        with pytest.raises(SystemExit):
            runner.run(create_module(MADE_UP), (), self.parse)
        printed = self.capsys.readouterr().out
        assert self.log
        return json.loads(printed), printed + "".join(self.log)

    def parse(self, params: Mapping[str, Any]) -> list[Wanted]:
        self.parsed = params
        mistakes = Mistakes("vm/web")
        mistakes.add("is wrong, and so is web-1 and CANAR")
        mistakes.raise_any()
        return []


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Output:
    return Output(monkeypatch, capsys)


@pytest.mark.parametrize("option", SECRETS)
def test_a_module_says_none_of_its_parameters_that_are_secrets(output: Output, option: str) -> None:
    result, seen = output.of({option: SECRETS[option], "count": 5})
    assert "CANARY-" not in seen
    assert output.parsed[option] == SECRETS[option] or output.parsed[option][0]["password"]
    assert "web-1 and CANAR" in result["msg"]
    given = result["invocation"]["module_args"]
    assert (given["name"], given["count"]) == ("web", 5)
    assert "(hidden)" in str(given[option])


@pytest.mark.parametrize("option", SECRETS)
def test_nor_does_one_with_mistakes(output: Output, option: str) -> None:
    result, seen = output.of({option: SECRETS[option], "count": "many", "nosuch": 1})
    assert "CANARY-" not in seen
    assert "count" in result["msg"] and "nosuch" in result["msg"]
    given = result["invocation"]["module_args"]
    assert given["count"] == "many" and "(hidden)" in str(given[option])


def test_a_short_secret_hides_nothing_else(output: Output) -> None:
    result, _seen = output.of({"pin": "w", "count": 5})
    given = result["invocation"]["module_args"]
    assert (given["name"], given["pin"]) == ("web", "(hidden)")
    assert "is wrong" in result["msg"]


# ---- errors


def test_errors_are_told_without_the_secrets_of_what_they_are_of() -> None:
    stored = xmltree.parse(f"<domain><devices><graphics passwd='{MARK}'/></devices></domain>")
    have = Have("vm", "web", stored)
    wanted = Wanted("vm", "web", "present", {("extra_xml",): Sensitive("CANARY-8")})
    errors = [FleetError(f"QEMU says data={MARK}: no", "vm/web", "x"), FleetError("CANARY-8!")]
    told = [str(error) for error in secrecy.spared(errors, wanted, have)]
    assert told == ["vm/web x: QEMU says data=(hidden): no", "(hidden)!"]
