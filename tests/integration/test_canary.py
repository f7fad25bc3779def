"""A mark planted in every place of secrets is found in the definition, and nowhere else.

What a module prints, returns and writes to the system's log is looked through, in check mode, in
the run, and where libvirt refuses; then what readers are shown of libvirt, and every file.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.module_server import MODULES_SERVED, ModuleServer
from support.private_libvirtd import PrivateLibvirtd

MARK, OTHER = "CANARY-7", "CANARY-8"  # as long as a password of VNC may be
ANY = "CANARY"
SHOWN = "PARAKEET"  # what is no secret, and is to be seen
QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
# Each place of secrets that extra_xml may have.
EXTRA = {
    "a screen's": "<devices><graphics type='vnc' passwd='{}'/></devices>",
    "a cookie": "<devices><disk type='network' device='cdrom'><driver name='qemu' type='raw'/>"
    "<source protocol='https' name='a'><host name='192.0.2.1' port='443'/>"
    "<cookies><cookie name='c'>{}</cookie></cookies></source>"
    "<target dev='sdx' bus='sata'/><readonly/></disk></devices>",
    "an object": f"<qemu:commandline {QEMU}><qemu:arg value='-object'/>"
    "<qemu:arg value='secret,id=canary,data={}'/></qemu:commandline>",
    "a property": f"<qemu:override {QEMU}><qemu:device alias='ua-canary'><qemu:frontend>"
    "<qemu:property name='x-password' type='string' value='{}'/></qemu:frontend></qemu:device>"
    "</qemu:override>",
    "an environment": f"<qemu:commandline {QEMU}><qemu:env name='A_TOKEN' value='{{}}'/>"
    "</qemu:commandline>",
    "an SMBIOS": "<sysinfo type='smbios'><oemStrings>"
    "<entry>io.systemd.credential:passwd.x.root={}</entry></oemStrings></sysinfo>",
    "a credential of the firmware": "<sysinfo type='fwcfg'>"
    "<entry name='opt/io.systemd.credentials/a'>{}</entry></sysinfo>",
    "others' token": "<metadata><z:y xmlns:z='urn:z'><z:p name='adminPass' value='{}'/></z:y>"
    "</metadata>",
    "others' metadata": "<metadata><z:y xmlns:z='urn:z'><z:password>{}</z:password></z:y>"
    "</metadata>",
}
# What libvirt shows to everybody, who may not see a password.
READABLE = ("a screen's", "a cookie")
OTHERS = f"""
<domain type='qemu' {QEMU}>
  <name>{{name}}</name>
  <metadata><x:y xmlns:x='urn:x'><x:root_password>{MARK}</x:root_password>
    <x:user-data>#cloud-config
chpasswd: {{{{list: 'root:{MARK}'}}}}</x:user-data><x:auth api_key='{MARK}'/></x:y></metadata>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type><kernel>/dev/null</kernel>
    <cmdline>{SHOWN} inst.vncpassword={MARK}</cmdline></os>
  <sysinfo type='fwcfg'><entry name='opt/com.coreos/config'>{{{{"passwd":{{{{"users":[
    {{{{"passwordHash":"{MARK}"}}}}]}}}}}}}}</entry></sysinfo>
  <devices>
    <disk type='network' device='cdrom'><driver name='qemu' type='raw'/>
      <source protocol='https' name='a'><host name='192.0.2.1' port='443'/>
        <cookies><cookie name='c'>{MARK}</cookie></cookies></source>
      <target dev='sda' bus='sata'/><readonly/></disk>
    <graphics type='vnc' port='-1' autoport='yes' passwd='{MARK}'/>
    <graphics type='spice' port='-1' autoport='yes' passwd='{MARK}'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-object'/><qemu:arg value='secret,id=canary,data={MARK}'/>
    <qemu:arg value='-fw_cfg'/><qemu:arg value='opt/io.systemd.credentials/b,string={MARK}'/>
    <qemu:env name='A_PASSWORD' value='{MARK}'/><qemu:env name='API_KEY' value='{MARK}'/>
  </qemu:commandline>
</domain>
"""
# An object that QEMU refuses at the start, and quotes.
REFUSED = EXTRA["an object"].replace("data=", "nosuch=1,data=")


class Watched:
    """Modules of which everything that they say is looked through."""

    def __init__(self, modules: ModuleServer, libvirtd: PrivateLibvirtd, name: str) -> None:
        self.modules = modules
        self.libvirtd = libvirtd
        self.name = name

    def say(self, module: str, args: dict[str, Any], check: bool = False) -> dict[str, Any]:
        """What a module returns, which has no mark in it, as the log has none."""
        printed = self.modules.printed(module, args, check)
        assert "Invoked with" in printed["stderr"], "the log is not seen"
        for text in printed.values():
            assert ANY not in text, text
        return json.loads(printed["stdout"])

    def vm(self, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.say("vm", {"name": self.name, **options}, check)

    def done(self, **options: Any) -> dict[str, Any]:
        """Check mode says what the run does, and a second one does nothing."""
        predicted, done = self.vm(True, **options), self.vm(**options)
        for result in (predicted, done):
            assert not result.get("failed"), result["msg"]
        assert predicted["plan"] == done["plan"] and done["changed"]
        again = self.vm(**options)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def failed(self, module: str, args: dict[str, Any], check: bool = True) -> str:
        result = self.say(module, args, check)
        assert result.get("failed"), result
        return str(result["msg"])

    def define(self, text: str) -> None:
        self.libvirtd.run(["virsh", "define", "/dev/stdin"], stdin=text)

    def record_snapshot(self, name: str) -> None:
        """As of a stopped VM, with its whole definition; none of its disks is a file."""
        of = f"<name>{name}</name><state>shutoff</state><creationTime>1</creationTime>"
        text = f"<domainsnapshot>{of}{self.definition('--security-info')}</domainsnapshot>"
        virsh = ["virsh", "snapshot-create", self.name, "/dev/stdin", "--redefine"]
        self.libvirtd.run(virsh, stdin=text)
        assert MARK in self.libvirtd.virsh("snapshot-dumpxml", self.name, name)

    def definition(self, *options: str) -> str:
        return self.libvirtd.virsh("dumpxml", self.name, "--inactive", *options)

    def files(self) -> set[str]:
        """The files that have a mark in them, but for definitions of libvirt and QEMU's log."""
        root = self.libvirtd.directory
        found = subprocess.run(
            ["grep", "-rlaI", "--devices=skip", ANY, str(root), "/tmp/ansible-tmp", "/var/log"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.splitlines()
        own = (f"/{self.name}.xml", "/libvirtd.log")
        theirs = ("/log/qemu/", f"/qemu/snapshot/{self.name}/")
        return {p for p in found if not p.endswith(own) and not any(one in p for one in theirs)}


@pytest.fixture
def watched(modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str) -> Iterator[Watched]:
    watched = Watched(modules, libvirtd, f"{prefix}canary")
    yield watched
    assert watched.files() == set()


@pytest.mark.parametrize("place", EXTRA)
def test_extra_xml_gives_its_secrets_to_the_definition_only(watched: Watched, place: str) -> None:
    watched.define(OTHERS.replace(MARK, "theirs").format(name=watched.name))
    for mark in (MARK, OTHER):
        done = watched.done(extra_xml=EXTRA[place].format(mark), title=SHOWN)
        [change] = [change for change in done["plan"] if change["field"] == "extra_xml"]
        assert "(hidden" in change["after"] and "(hidden" in done["vm"]["extra_xml"]
        assert done["diff"][0]["before"] != done["diff"][0]["after"]
        assert watched.definition("--security-info").count(mark) == 1
        assert watched.definition("--security-info").count(ANY) == 1
        assert (ANY in watched.definition()) == (place not in READABLE)
    assert SHOWN in str(done["vm"]) and SHOWN in watched.definition()
    assert (change["before"], "(hidden, another)" in change["after"]) != (change["after"], False)
    watched.done(extra_xml="")
    assert ANY not in watched.definition("--security-info")


# Nothing is installed that would hear that it is to shut down.
SWITCHED_OFF = {"timeout_s": 1, "on_timeout": "power_off"}


def test_a_vm_that_runs_waits_for_a_password_until_it_is_restarted(watched: Watched) -> None:
    options = {"machine": "q35", "memory": {"size": "64MiB"}, "graphics": {"type": "vnc"}}
    text = EXTRA["a screen's"]
    watched.done(extra_xml=text.format(MARK), state="running", **options)
    assert watched.vm(**options)["pending_restart"] == []
    [waits] = watched.done(extra_xml=text.format(OTHER))["pending_restart"]
    assert waits["field"] == "extra_xml" and waits["before"] != waits["after"]
    assert "passwd" in str(watched.say("vm_info", {"names": [watched.name]}))
    failed = watched.vm(apply="restart", shutdown={"timeout_s": 1}, extra_xml=text.format(OTHER))
    assert failed["failed"] and [one["field"] for one in failed["pending_restart"]] == ["extra_xml"]
    done = watched.vm(apply="restart", shutdown=SWITCHED_OFF, extra_xml=text.format(OTHER))
    assert not done.get("failed"), done["msg"]
    assert done["pending_restart"] == []
    assert watched.vm(extra_xml=text.format(OTHER))["plan"] == []


def test_what_qemu_quotes_is_told_without_secrets(watched: Watched) -> None:
    options = {"machine": "q35", "memory": {"size": "64MiB"}, "state": "running"}
    for args in ({"extra_xml": REFUSED.format(MARK), **options}, options):  # then of the stored VM
        said = watched.failed("vm", {"name": watched.name, **args}, check=False)
        assert "nosuch" in said and "(hidden)" in said
    vms = [{"name": watched.name, "state": "running"}]
    assert "(hidden)" in watched.failed("host_config", {"vms": vms}, check=False)


MISTAKES: dict[str, dict[str, Any]] = {
    "not well-formed": {"extra_xml": f"<devices><graphics passwd='{MARK}'></devices>"},
    "a quote too much": {"extra_xml": f"<devices><graphics passwd='{MARK}''/></devices>"},
    "text outside": {"extra_xml": f"<devices/>{MARK}<a passwd='{MARK}'/>"},
    "not in the schema": {"extra_xml": f"<devices><graphics x='y' passwd='{MARK}'/></devices>"},
    "too long for VNC": {"extra_xml": EXTRA["a screen's"].format(f"{MARK}+")},
    "an unknown option": {"extra_xml": EXTRA["a screen's"].format(MARK), "nosuch": 1},
    "an option misspelt": {"extraxml": EXTRA["a screen's"].format(MARK)},
    "an option that is none": {"graphics": {"type": "vnc", "password": MARK}},
    "a wrong type": {"extra_xml": EXTRA["a screen's"].format(MARK), "cpu": 4},
    "a wrong value": {"extra_xml": EXTRA["a screen's"].format(MARK), "memory": {"size": "-1"}},
    "a list": {"extra_xml": [EXTRA["a screen's"].format(MARK)]},
    "a dictionary": {"extra_xml": {"passwd": MARK}},
    "a comment": {"extra_xml": f"<devices><!-- password={MARK} --><nosuch/></devices>"},
    "a mapping for a word": {"sysprep": {"root_password": MARK}},
    "a private key": {
        "cloud_init": {"ssh_keys": [f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{MARK}"]}
    },
    "nothing to stand on": {
        "extra_xml": EXTRA["a screen's"].format(MARK), "nics": [{"name": "a", "vswitch": "nosuch"}]
    },
    "an option's": {
        "extra_xml": EXTRA["an object"].format(MARK) + "<title>x</title>", "title": "y"
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("check", [True, False])
def test_mistakes_are_told_without_secrets(watched: Watched, name: str, check: bool) -> None:
    if check and name == "nothing to stand on":
        pytest.skip("it may come from an earlier task")
    args = {"name": watched.name, "memory": {"size": "64MiB"}, **MISTAKES[name]}
    watched.failed("vm", args, check)
    watched.failed("host_config", {"vms": [args]}, check)
    watched.failed("host_config", {"vm_defaults": args, "vms": [{"name": watched.name}]}, check)
    of_each = {name: value for name, value in args.items() if name != "name"}
    group = {"name": watched.name, "count": 2, "vm": of_each}
    watched.failed("host_config", {"vm_groups": [group]}, check)


def test_host_config_hides_what_its_items_and_defaults_have(watched: Watched) -> None:
    options: dict[str, Any] = {"machine": "q35", "memory": {"size": "64MiB"}, "title": SHOWN}
    screen, metadata = (EXTRA[one].format(MARK) for one in ("a screen's", "others' metadata"))
    vm = {"name": watched.name, "graphics": {"type": "vnc"}}
    for args in (
        {"vms": [{**vm, **options, "extra_xml": screen}]},
        {"vms": [vm], "vm_defaults": {**options, "extra_xml": metadata}},
    ):
        for check in (True, False, False):
            done = watched.say("host_config", args, check)
            assert not done.get("failed"), done["msg"]
            assert SHOWN in str(done["invocation"])
        assert done["plan"] == []
        assert watched.definition("--security-info").count(MARK) == 1


def test_nothing_says_the_secrets_of_vms_that_others_made(watched: Watched, images: Path) -> None:
    watched.define(OTHERS.format(name=watched.name))
    marks = watched.definition("--security-info").count(MARK)
    assert marks == 12
    watched.record_snapshot("a")
    dest = str(images / "host")
    for module in MODULES_SERVED:
        if module == "export" or module.endswith(("_info", "host_probe", "host_snapshot")):
            told = watched.say(module, {})
            assert not told.get("failed"), told["msg"]
            print(module, str(told)[:200], str(told).count("domainsnapshot"))
        if module in ("export", "host_snapshot"):
            watched.say(module, {"dest": dest})
            assert watched.files() == set()
    watched.libvirtd.virsh("snapshot-delete", watched.name, "a", "--metadata")
    watched.done(title="x", graphics={"listen": "127.0.0.1"})
    watched.done(memory={"size": "80MiB"}, cdroms=[{"name": "sda", "state": "absent"}])
    assert watched.definition("--security-info").count(MARK) == marks - 1
    watched.say("host_config", {"vms": [{"name": watched.name, "title": "y"}]})
    for check in (True, False):
        watched.vm(check, state="absent")


def test_a_snapshot_of_the_host_knows_a_secret_when_it_sees_it(
    watched: Watched, images: Path
) -> None:
    watched.define(OTHERS.format(name=watched.name))
    dest, text = str(images / "host.json"), EXTRA["an object"]
    options = {"title": SHOWN, "extra_xml": text.format(MARK)}
    watched.done(**options)
    watched.say("host_snapshot", {"dest": dest})
    for extra, changed in ((text.format(MARK), False), (text.format(OTHER), True), ("", True)):
        options["extra_xml"] = extra
        on_host = watched.vm(True, **options)
        by_file = watched.vm(True, uri=f"snapshot:{dest}", **options)
        assert on_host["changed"] == changed
        assert [by_file[part] for part in ("plan", "diff", "vm")] == [
            on_host[part] for part in ("plan", "diff", "vm")
        ]


def test_a_kernel_is_given_its_secrets_and_nobody_else(watched: Watched, images: Path) -> None:
    options: dict[str, Any] = {"machine": "q35", "memory": {"size": "64MiB"}}
    dest = str(images / "host.json")
    for mark in (MARK, OTHER):
        boot = {"kernel": "/dev/null", "cmdline": f"{SHOWN} inst.vncpassword={mark} ro"}
        done = watched.done(boot=boot, **options)
        [change] = [change for change in done["plan"] if change["field"] == "boot.cmdline"]
        assert change["after"].startswith(f"{SHOWN} inst.vncpassword=(hidden")
        assert done["vm"]["boot"]["cmdline"] == f"{SHOWN} inst.vncpassword=(hidden) ro"
        assert f"<cmdline>{boot['cmdline']}</cmdline>" in watched.definition()
        watched.say("host_snapshot", {"dest": dest})
        by_file = watched.vm(True, uri=f"snapshot:{dest}", boot=boot, **options)
        assert (by_file["changed"], by_file["plan"]) == (False, [])
    assert "(hidden, another)" in change["after"]
    boot["cmdline"] = f"{SHOWN} inst.vncpassword={MARK} ro"
    assert watched.vm(True, uri=f"snapshot:{dest}", boot=boot)["changed"]
    boot["cmdline"] = done["vm"]["boot"]["cmdline"]
    assert "write the secret" in watched.failed("vm", {"name": watched.name, "boot": boot})


# Names of images below others, and what a chain tells of them: of options without a file nothing.
BACKING = {
    f"rbd:pool/{SHOWN}:id=admin:key={MARK}": f"rbd:pool/{SHOWN}:id=admin:key=(hidden)",
    f"https://me:{MARK}@192.0.2.1/{SHOWN}": f"https://me:(hidden)@192.0.2.1/{SHOWN}",
    f'json:{{"driver":"https","url":"https://192.0.2.1/{SHOWN}","password":"{MARK}"}}': "",
}


@pytest.mark.parametrize("name", BACKING)
def test_what_images_stand_on_is_told_without_passwords(
    watched: Watched, images: Path, name: str
) -> None:
    file, dest = images / "overlay.qcow2", str(images / "host.json")
    make = ["qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", name, file, "1M"]
    watched.libvirtd.run([str(word) for word in make])
    disk = {"name": "a", "file": str(file), "format": "qcow2"}
    watched.done(machine="q35", memory={"size": "64MiB"}, disks=[disk])
    pool = f"{watched.name}-pool"
    watched.libvirtd.virsh("pool-create-as", pool, "dir", "--target", str(images))
    volumes = str(watched.say("storage_info", {"volumes": True}))
    assert SHOWN in volumes and "(hidden)" in volumes
    assert BACKING[name] in str(watched.say("vm_info", {}))
    watched.say("export", {})
    watched.say("host_snapshot", {"dest": dest})
    assert SHOWN in watched.libvirtd.run(["cat", dest])
    options = {"name": watched.name, "state": "absent", "remove_storage": True}
    on_host, by_file = (
        watched.say("vm", {**options, **uri}, True) for uri in ({}, {"uri": f"snapshot:{dest}"})
    )
    assert (on_host.get("plan"), on_host.get("msg")) == (by_file.get("plan"), by_file.get("msg"))
    watched.libvirtd.virsh("pool-destroy", pool)


def test_export_leaves_out_what_has_a_secret_in_it_and_says_so(watched: Watched) -> None:
    watched.done(memory={"size": "64MiB"}, extra_xml=EXTRA["an object"].format(MARK), title=SHOWN)
    exported = watched.say("export", {"volumes": "none"})
    [told] = [vm for vm in exported["declarations"]["vms"] if vm["name"] == watched.name]
    assert "extra_xml" not in told and told["title"] == SHOWN
    [warning] = [text for text in map(str, exported["warnings"]) if watched.name in text]
    assert "extra_xml has a secret in it" in warning


# Each part of a seed that may hold a secret, as it is declared.
SEEDS: dict[str, dict[str, Any]] = {
    "password_hash": {"user": "ops", "password_hash": "$6$a${}"},
    "user_data": {"user_data": {"write_files": [{"path": "/a", "content": "{}"}]}},
    "user_data as a text": {"user_data": "#!/bin/sh\necho {}\n"},
    "vendor_data": {"vendor_data": "#cloud-config\nruncmd: [echo {}]\n"},
    "meta_data": {"meta_data": {"token": "{}"}},
    "network_config": {
        "network_config": {
            "version": 2,
            "wifis": {"a": {"access-points": {"b": {"password": "{}"}}}},
        }
    },
}


@pytest.mark.parametrize("part", SEEDS)
def test_a_seed_has_its_secrets_in_its_volume_only(
    watched: Watched, images: Path, part: str
) -> None:
    pool, dest = f"{watched.name}-pool", str(images / "host.json")
    folder = images / "pool"
    watched.libvirtd.outside(folder).mkdir()
    watched.libvirtd.virsh("pool-create-as", pool, "dir", "--target", str(folder))
    for mark in (MARK, OTHER):
        said = json.loads(json.dumps(SEEDS[part]).replace("{}", mark))
        seed = {"hostname": SHOWN, "pool": pool, **said}
        done = watched.done(machine="q35", memory={"size": "64MiB"}, cloud_init=seed)
        field = f"cloud_init.{part.partition(' ')[0]}"
        [change] = [change for change in done["plan"] if change["field"] == field]
        assert "(hidden" in change["after"] and SHOWN in str(done["vm"]["cloud_init"])
        assert ANY not in watched.definition("--security-info")
        [volume] = watched.libvirtd.outside(folder).iterdir()
        assert mark.encode() in volume.read_bytes()
        watched.say("host_snapshot", {"dest": dest})
        by_file = watched.vm(True, uri=f"snapshot:{dest}", cloud_init=seed)
        assert (by_file["changed"], by_file["plan"]) == (False, [])
    for module in ("vm_info", "export"):
        assert not watched.say(module, {}).get("failed")
    host = {"vms": [{"name": watched.name, "cloud_init": seed}]}
    assert not watched.say("host_config", host)["changed"]
    wrong = {"vms": [{"name": watched.name, "cloud_init": {**seed, "nosuch": 1}}]}
    watched.failed("host_config", wrong)
    watched.done(state="absent")
    assert watched.files() == set()
    watched.libvirtd.virsh("pool-destroy", pool)


def test_a_secret_of_libvirt_is_in_its_own_file_only(watched: Watched, images: Path) -> None:
    """Neither as it is written nor as libvirt keeps it, in base64."""
    dest, name = str(images / "host.json"), f"{watched.name}-secret"
    secret = {"name": name, "type": "iscsi", "description": SHOWN}
    coded = [base64.b64encode(mark.encode()).decode() for mark in (MARK, OTHER)]

    def say(module: str, args: dict[str, Any], check: bool = False) -> dict[str, Any]:
        told = watched.say(module, args, check)
        assert not any(one in str(told) for one in coded), told
        return told

    for mark, shown in ((MARK, "(hidden)"), (OTHER, "(hidden, another)")):
        for check in (True, False):
            done = say("secret", {**secret, "value": mark}, check)
            assert not done.get("failed"), done["msg"]
            assert [one["after"] for one in done["plan"] if one["field"] == "value"] == [shown]
        assert not say("secret", {**secret, "value": mark})["changed"]
        assert not say("host_config", {"secrets": [{**secret, "value": mark}]})["changed"]
    for module in ("export", "host_snapshot"):
        assert not say(module, {}).get("failed")
        assert not say(module, {"dest": dest}).get("failed")
        assert not any(one in watched.libvirtd.run(["cat", dest]) for one in coded)
    for mark, changed in ((OTHER, False), (MARK, True)):
        by_file = say("secret", {**secret, "value": mark, "uri": f"snapshot:{dest}"}, True)
        on_host = say("secret", {**secret, "value": mark}, True)
        assert (by_file["plan"], by_file["changed"]) == (on_host["plan"], changed)
    wrong: tuple[dict[str, Any], ...] = (
        {"encoding": "base64"}, {"nosuch": 1}, {"uuid": "a"}, {"private": "x"}, {"type": MARK[:3]}
    )  # fmt: skip
    for args in wrong:
        watched.failed("secret", {**secret, "value": MARK, **args})
        watched.failed("host_config", {"secrets": [{**secret, "value": MARK, **args}]})
    say("secret", {**secret, "state": "absent", "value": MARK})
    assert watched.libvirtd.virsh("secret-list").find(name) < 0
