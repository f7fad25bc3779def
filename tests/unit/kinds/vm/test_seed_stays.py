"""Seeds that somebody else needs: each stays, is told by name, and goes once nobody needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.kvm.fleet.plugins.module_utils.engine import xmltree
from ansible_collections.kvm.fleet.plugins.module_utils.engine.plan import Have, Plan
from ansible_collections.kvm.fleet.plugins.module_utils.engine.showing import diff_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.cloud_init.note import note_of
from ansible_collections.kvm.fleet.plugins.module_utils.kinds.vm.kind import KIND
from support import worlds

CASE = Path(__file__).parents[3] / "golden" / "vm" / "seed-goes"
WEB = (CASE / "before.xml").read_text()
UUID = "3f94dbb2-7a65-5a2d-99e5-15c5b4d38e11"
SEED, NEXT = "images/web-cidata.iso", "images/web-cidata-2.iso"
GONE = "it was made as the seed of a VM that is not on this host, and no run removes it"


def clone(name: str = "two") -> str:
    """As virt-clone makes it: with the note of web, and its seed in the drive."""
    text = WEB.replace("<name>web<", f"<name>{name}<")
    return text.replace(f"<uuid>{UUID}", f"<uuid>{UUID[:-2]}99")


def with_next(text: str) -> str:
    """A VM that has another seed by now, and the first one noted as former."""
    changed = text.replace(f'"volume": "{SEED}"', f'"former": ["{SEED}"], "volume": "{NEXT}"')
    return changed.replace("libvirt/images/web-cidata.iso", "libvirt/images/web-cidata-2.iso")


def plan(
    vms: dict[str, str], snapshot: str = "", written: str = "", runs: str = "", **options: Any
) -> Plan:
    """The plan for the VM that `options` name, among these."""
    there: dict[str, dict[str, Have]] = {"vm": {}}
    pool = xmltree.parse((CASE / "world/storage_pool/images.xml").read_text())
    there["storage_pool"] = {"images": Have("storage_pool", "images", pool, pool, {})}
    volume = (CASE / f"world/storage_volume/{SEED}.xml").read_text()
    there["storage_volume"] = {
        name: Have("storage_volume", name, xmltree.parse(text), None, {})
        for name, text in (
            (SEED, volume),
            (NEXT, volume.replace("web-cidata.iso", "web-cidata-2.iso")),
        )
    }
    facts = {"state": "stopped", "autostart": False, "persistent": True}
    for name, text in vms.items():
        there["vm"][name] = Have("vm", name, xmltree.parse(text), None, facts)
    if runs:
        live = xmltree.parse(runs.replace("<domain ", "<domain id='4' "))
        facts = {**facts, "state": "running"}
        there["vm"]["web"] = Have("vm", "web", there["vm"]["web"].stored, live, facts)
    taken = f"<domainsnapshot><name>s1</name><state>shutoff</state>{snapshot}</domainsnapshot>"
    records = [(taken, False)] if snapshot else []
    told: dict[Any, Any] = {("snapshots", str(options["name"])): records}
    told.update({**worlds.HERE, ("written", "/srv/web.img"): written} if written else {})
    world = worlds.world(there, told)
    checked = ArgumentSpecValidator(KIND.spec()).validate(options)
    assert not checked.error_messages
    wanted = KIND.parse(checked.validated_parameters)[-1]
    return KIND.plan(wanted, there["vm"][options["name"]], world)


def of_seeds(made: Plan) -> dict[str, tuple[Any, str]]:
    """What becomes of volumes, and of what is noted as former."""
    found = [one for one in made.changes if one.field[1:2] in (("former",), ("volumes",))]
    return {one.field[-1]: (one.after, one.note) for one in found}


def former(made: Plan) -> list[str]:
    note = note_of(made.after.stored)
    return note.former if note is not None else []


def test_a_seed_that_a_clone_has_is_noted_and_goes_once_the_clone_has_another() -> None:
    for seed in ({"hostname": "other"}, {}):
        made = plan({"web": WEB, "two": clone()}, name="web", cloud_init=seed)
        assert of_seeds(made) == {"former": ([SEED], "two uses it too")}
        assert former(made) == [SEED]
    web = with_next(WEB)
    made = plan({"web": web}, name="web", cloud_init={})
    assert of_seeds(made)[SEED] == ("absent", "the seed that it was")
    assert former(made) == []
    made = plan({"web": web}, name="web", state="absent", remove_storage=True)
    assert {name: after for name, (after, _note) in of_seeds(made).items()} == {
        SEED: "absent",
        NEXT: "absent",
    }
    assert all(name in diff_of(made)["before"] for name in (SEED, NEXT)), "each has its line"


def test_who_has_the_seed_of_a_vm_that_goes_is_told_and_so_it_is_as_the_last_one_goes() -> None:
    gone = {"state": "absent", "remove_storage": True}
    made = plan({"web": WEB, "two": clone()}, name="web", **gone)
    assert of_seeds(made) == {SEED: ("kept", "two uses it too")}
    made = plan({"web": WEB, "two": clone()}, name="two", **gone)
    assert of_seeds(made) == {SEED: ("kept", "it was made as the seed of web")}
    for how in (gone, {"cloud_init": {"hostname": "two", "pool": "images"}}):
        made = plan({"two": clone()}, name="two", **how)
        assert of_seeds(made) == {SEED: ("kept", GONE)}
    made = plan({"two": clone(), "three": clone("three")}, name="two", **gone)
    assert of_seeds(made) == {SEED: ("kept", "three uses it too")}


def test_a_medium_that_is_not_the_seed_of_the_copied_note_is_nobodys() -> None:
    text = clone().replace("libvirt/images/web-cidata.iso", "libvirt/images/other.iso")
    assert of_seeds(plan({"two": text}, name="two", state="absent")) == {}


def test_one_seed_goes_and_another_stays_for_a_snapshot_and_both_are_told() -> None:
    made = plan({"web": with_next(WEB)}, with_next(WEB), name="web", cloud_init={})
    note = "snapshot s1 has it, and it stays until that is gone"
    assert of_seeds(made) == {"former": ([NEXT], note), SEED: ("absent", "the seed that it was")}
    after = diff_of(made)["after"]
    assert note in after and "the seed that it was" in after
    assert former(made) == [NEXT]


def test_an_instance_id_that_a_guest_may_have_had_is_told_so() -> None:
    plain = WEB.replace(WEB[WEB.index("<fleet-seed") : WEB.index("</metadata>")], "")
    plain = plain.replace(plain[plain.index("<disk type='file' device='cdrom'") :], "")
    text = f"{plain}</devices></domain>"
    seed = {"hostname": "again", "pool": "images"}

    def note(**more: Any) -> str:
        made = plan({"web": text}, name="web", cloud_init={**seed, **more})
        return next(one.note for one in made.changes if one.field[1:] == ("instance_id",))

    assert "with this instance-id before takes up only" in note()
    assert note(rerun=True) == ""


# ---- instance-ids


def instance_id(made: Plan) -> str:
    note = note_of(made.after.stored)
    assert note is not None
    return str(note.said["instance_id"])


def without_drive(text: str) -> str:
    """The VM without its drive, its note and with a disk, as somebody put it back."""
    plain = text.replace(text[text.index("<fleet-seed") : text.index("</metadata>")], "")
    disk = "<disk type='file' device='disk'><source file='/srv/web.img'/><target dev='vda'/></disk>"
    return plain[: plain.index("<disk type='file' device='cdrom'")] + f"{disk}</devices></domain>"


def test_no_instance_id_is_given_twice() -> None:
    text, given = WEB, ["web"]
    seed = {"hostname": "web", "pool": "images", "rerun": True}
    for step in range(6):
        made = plan({"web": text}, name="web", cloud_init={} if step % 2 else seed)
        text = xmltree.serialise(made.after.definition)
        if step % 2 == 0:
            given.append(instance_id(made))
    assert len(set(given)) == len(given) == 4
    # Without `rerun` it is the instance that the guest is already.
    made = plan({"web": text}, name="web", cloud_init={**seed, "rerun": False})
    assert instance_id(made) == given[-1]
    notes = [one.note for one in made.changes if one.field[1:] == ("instance_id",)]
    assert "with this instance-id before takes up only" in notes[0]


def test_a_lost_note_brings_no_instance_id_back() -> None:
    """By what the guest wrote since to its disk."""
    seed = {"hostname": "web", "pool": "images", "rerun": True}
    given = [
        instance_id(plan({"web": without_drive(WEB)}, name="web", cloud_init=seed, written=written))
        for written in ("1 bytes, 1.0", "1 bytes, 2.0", "1 bytes, 2.0")
    ]
    assert given[0] != given[1] == given[2]


def test_what_runs_knows_more_than_an_older_definition() -> None:
    seed = {"hostname": "one", "pool": "images", "rerun": True}
    made = plan({"web": WEB}, name="web", cloud_init=seed)
    runs = xmltree.serialise(made.after.definition)
    again = plan({"web": WEB}, name="web", cloud_init={**seed, "hostname": "two"}, runs=runs)
    note = note_of(again.after.stored)
    assert note is not None and note.count == 2
