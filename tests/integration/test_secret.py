"""The module secret on a real libvirtd, seen through virsh."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

USAGES = {"ceph": "name", "iscsi": "target", "tls": "name", "volume": "volume", "vtpm": "name"}
# Bytes that are no text and hold what ends one in C.
BYTES = base64.b64encode(b"\x00\xff\n a\x00").decode()


class Secrets:
    """What virsh says of them, and the modules."""

    def __init__(self, modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str) -> None:
        self.modules, self.libvirtd, self.prefix = modules, libvirtd, prefix

    def name(self, usage_type: str = "iscsi") -> str:
        return f"/srv/{self.prefix}a" if usage_type == "volume" else f"{self.prefix}a"

    def run(self, check: bool = False, **options: Any) -> dict[str, Any]:
        usage_type = options.setdefault("type", "iscsi")
        done = self.modules.run("secret", {"name": self.name(usage_type), **options}, check)
        assert not done.get("failed"), done["msg"]
        return done

    def refused(self, module: str = "secret", **options: Any) -> str:
        """The one error, which check mode has too."""
        errors = [self.modules.run(module, options, check)["errors"] for check in (True, False)]
        assert errors[0] == errors[1] and len(errors[0]) == 1, errors
        return str(errors[0][0])

    def converge(self, **options: Any) -> dict[str, Any]:
        """Check mode says what the run does, and a second one does nothing."""
        predicted, done = self.run(True, **options), self.run(**options)
        assert predicted["plan"] == done["plan"] and predicted["secret"] == done["secret"]
        assert done["changed"]
        again = self.run(**options)
        assert (again["changed"], again["plan"]) == (False, []), again
        return done

    def there(self) -> dict[str, str]:
        """The UUIDs of those of this test, by type and name."""
        lines = self.libvirtd.virsh("secret-list").splitlines()
        found = {tuple(line.split()[1:]): line.split()[0] for line in lines if self.prefix in line}
        return {"/".join(usage): uuid for usage, uuid in found.items()}

    def value(self, uuid: str) -> bytes:
        return base64.b64decode(self.libvirtd.virsh("secret-get-value", uuid))

    def definition(self, uuid: str) -> str:
        return self.libvirtd.virsh("secret-dumpxml", uuid)

    def define(self, text: str) -> None:
        self.libvirtd.run(["virsh", "secret-define", "/dev/stdin"], stdin=text)


@pytest.fixture
def secrets(modules: ModuleServer, libvirtd: PrivateLibvirtd, prefix: str) -> Iterator[Secrets]:
    secrets = Secrets(modules, libvirtd, prefix)
    yield secrets
    for uuid in secrets.there().values():
        libvirtd.virsh("secret-undefine", uuid)


@pytest.mark.parametrize("usage_type", USAGES)
def test_a_secret_of_each_type_comes_changes_and_goes(secrets: Secrets, usage_type: str) -> None:
    options: dict[str, Any] = {"type": usage_type, "encoding": "text"}
    secrets.converge(value="opensesame", description="é & <b>", **options)
    name = secrets.name(usage_type)
    [(known_as, uuid)] = secrets.there().items()
    assert known_as == f"{usage_type}/{name}" and secrets.value(uuid) == b"opensesame"
    assert f"<{USAGES[usage_type]}>{name}<" in secrets.definition(uuid)
    done = secrets.converge(value=BYTES, **{**options, "encoding": "base64"})
    assert [(one["field"], one["after"]) for one in done["plan"]] == [
        ("value", "(hidden, another)")
    ]
    assert secrets.value(uuid) == base64.b64decode(BYTES)
    secrets.converge(description="", ephemeral=True, **options)
    assert secrets.there() == {known_as: uuid}
    assert secrets.value(uuid) == base64.b64decode(BYTES)
    secrets.converge(ephemeral=False, **options)
    secrets.converge(state="absent", **options)
    assert secrets.there() == {}


def test_what_others_defined_keeps_its_uuid_and_its_value(secrets: Secrets) -> None:
    uuid = "6d4c1a0e-0f6b-4a3c-9a53-0a8a4b3d2c1e"
    secrets.define(f"<secret><uuid>{uuid}</uuid><usage type='iscsi'>"
                   f"<target>{secrets.name()}</target></usage></secret>")  # fmt: skip
    assert secrets.run(description="x", check=True)["secret"]["has_value"] is False
    secrets.libvirtd.virsh("secret-set-value", uuid, base64.b64encode(b"theirs").decode())
    secrets.converge(description="x")
    done = secrets.run(value="ours", update_value="on_create")
    assert not done["changed"] and secrets.value(uuid) == b"theirs"
    secrets.converge(value="ours")
    assert secrets.there() == {f"iscsi/{secrets.name()}": uuid} and secrets.value(uuid) == b"ours"
    secrets.modules.run("secret", {"name": secrets.name(), "type": "iscsi", "state": "absent"})
    secrets.converge(uuid=uuid.upper(), value="ours")
    assert secrets.there() == {f"iscsi/{secrets.name()}": uuid}


def test_the_uuid_of_another_secret_is_refused_and_that_one_stays(secrets: Secrets) -> None:
    uuid = "6d4c1a0e-0f6b-4a3c-9a53-0a8a4b3d2c1f"
    other = f"{secrets.prefix}theirs"
    secrets.define(f"<secret><uuid>{uuid}</uuid><usage type='iscsi'>"
                   f"<target>{other}</target></usage></secret>")  # fmt: skip
    secrets.libvirtd.virsh("secret-set-value", uuid, base64.b64encode(b"theirs").decode())
    named = {"name": secrets.name(), "type": "iscsi", "uuid": uuid, "value": "ours"}
    said = secrets.refused(**named)
    assert f"uuid: its UUID {uuid} is that of iscsi/{other}" in said
    assert secrets.there() == {f"iscsi/{other}": uuid} and secrets.value(uuid) == b"theirs"


def test_a_private_secret_is_one_with_a_value_which_nobody_sees(secrets: Secrets) -> None:
    done = secrets.run(private=True, value="opensesame")
    assert [one["field"] for one in done["plan"]] == ["type", "private", "value", "state"]
    [uuid] = secrets.there().values()
    assert "private='yes'" in secrets.definition(uuid)
    again = secrets.run(private=True, value="another")
    assert not again["changed"] and "cannot be seen" in str(again["warnings"])
    assert not secrets.run(private=True, value="x", update_value="on_create").get("warnings")
    for _each_time in (1, 2):
        done = secrets.run(private=True, value="another", update_value="always")
        assert [one["field"] for one in done["plan"]] == ["value"] and "note" in done["plan"][0]
    # What libvirt keeps is what was set last: its own file, which root alone reads.
    [file] = secrets.libvirtd.directory.rglob(f"{uuid}.base64")
    assert base64.b64decode(file.read_text()) == b"another"
    name = {"name": secrets.name(), "type": "iscsi"}
    assert "never takes that back" in secrets.refused(**name, private=False)
    assert "which libvirt never changes" in secrets.refused(
        **name, uuid="6d4c1a0e-0f6b-4a3c-9a53-0a8a4b3d2c1e"
    )


def test_a_run_that_was_killed_before_the_value_was_set_is_gone_on_with(secrets: Secrets) -> None:
    """As a new private secret is made: open, then the value, then private."""
    uuid = secrets.run(True, private=True, value="a")["secret"]["uuid"]
    secrets.define(f"<secret><uuid>{uuid}</uuid><usage type='iscsi'>"
                   f"<target>{secrets.name()}</target></usage></secret>")  # fmt: skip
    done = secrets.run(private=True, value="a", update_value="on_create")
    assert [one["field"] for one in done["plan"]] == ["private", "value"]
    [file] = secrets.libvirtd.directory.rglob(f"{uuid}.base64")
    assert base64.b64decode(file.read_text()) == b"a"


def test_a_secret_that_is_used_stays_and_one_that_is_not_there_is_told(
    secrets: Secrets, images: Path
) -> None:
    name, prefix = secrets.name(), secrets.prefix
    secret = {"name": name, "type": "iscsi", "value": "opensesame"}
    pool = {
        "name": f"{prefix}pool",
        "type": "iscsi",
        "state": "inactive",
        "source": {
            "host": "192.0.2.1",
            "device": "iqn.2026-01.org.example:a",
            "auth": {"type": "chap", "username": "u", "secret": name},
        },
    }
    alone = secrets.modules.run("storage_pool", pool, check=True)
    assert f"the secret {name} (type iscsi) does not exist yet" in str(alone["warnings"])
    host = {"secrets": [secret], "storage_pools": [pool]}
    for check in (True, False, False):
        done = secrets.modules.run("host_config", host, check)
        assert not done.get("failed") and not done.get("warnings"), done
    assert not done["changed"]
    gone = {"name": name, "type": "iscsi", "state": "absent"}
    assert f"is used by storage_pool/{prefix}pool" in secrets.refused(**gone)
    both = {"secrets": [gone], "storage_pools": [{"name": f"{prefix}pool", "state": "absent"}]}
    done = secrets.modules.run("host_config", both)
    assert not done.get("failed") and secrets.there() == {}
    assert re.fullmatch("secret/.*", done["results"][-1]["resource"])


def test_export_declares_a_secret_without_its_value(secrets: Secrets) -> None:
    secrets.run(value="opensesame", description="x")
    exported = secrets.modules.run("export", {"volumes": "none"})
    [told] = [one for one in exported["declarations"]["secrets"] if one["name"] == secrets.name()]
    assert told["type"] == "iscsi" and told["description"] == "x" and "value" not in told
    assert "its value is not exported" in str(exported["warnings"])
    done = secrets.modules.run("host_config", {"secrets": [told]})
    assert not done.get("failed") and not done["changed"]
