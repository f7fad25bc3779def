"""What a lab host is made of: the command line, its wires, its initrd and its own files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.roles.lab.files.fleetlab import (
    cpio,
    declaration,
    distribution,
    hostfiles,
    initrd,
    inventory,
    programs,
    qemu,
    recipe,
    ssh,
    state,
)
from ansible_collections.kvm.fleet.roles.lab.files.fleetlab.errors import LabError

EMULATED = qemu.Accelerator(False, 1, "no KVM")
HARDWARE = qemu.Accelerator(True, 4, "KVM works")


def lab_of(count: int) -> declaration.Lab:
    """A lab with that many hosts, all on one network."""
    nics = [{"name": "lan0", "network": "lan"}]
    hosts = [{"name": f"h{number}", "nics": nics, "cpus": 3} for number in range(count)]
    networks = [{"name": "lan", "subnet": "10.0.0.0/24"}]
    return declaration.parse({"name": "x", "hosts": hosts, "networks": networks})


def command(lab: declaration.Lab, accelerator: qemu.Accelerator = EMULATED) -> str:
    return " ".join(qemu.command("qemu", lab, lab.hosts[0], Path("/k"), accelerator, 2222))


def test_an_emulated_host_has_one_cpu_whatever_is_declared():
    assert "-smp 1" in command(lab_of(1))
    assert "-accel tcg" in command(lab_of(1))


def test_hardware_gives_the_declared_cpus():
    assert "-smp 3" in command(lab_of(1), HARDWARE)
    assert "-accel kvm" in command(lab_of(1), HARDWARE)


def numa_host(**more: object) -> declaration.Lab:
    host = {"name": "a", "memory": "3GiB", "numa_nodes": 2, **more}
    return declaration.parse({"name": "x", "hosts": [host]})


@pytest.mark.parametrize("accelerator", [EMULATED, HARDWARE])
def test_nodes_divide_cpus_and_memory(accelerator):
    line = command(numa_host(), accelerator)
    assert "-smp 4 -m 3072 " in line
    assert "size=1536M -numa node,nodeid=1,cpus=2-3,memdev=node1" in line


def test_an_emulated_host_with_nodes_has_the_declared_cpus():
    assert "cpus=0-2,memdev=node0" in command(numa_host(cpus=6))
    assert "-numa" not in command(lab_of(1))


def test_the_kernel_gets_more_parameters():
    lab = declaration.parse({"hosts": [{"name": "a", "kernel_parameters": ["quiet", "x=1"]}]})
    assert " tsc=reliable quiet x=1 " in command(lab)


def test_a_nic_alone_on_its_network_is_on_no_wire():
    assert "hubport,id=lan0" in command(lab_of(1))


def test_a_disk_named_root_is_not_the_root_disk():
    disks = [{"name": "root", "size": "1GiB"}]
    lab = declaration.parse({"name": "x", "hosts": [{"name": "a", "disks": disks}]})
    assert len(set(qemu.disk_files(lab.hosts[0]))) == 2


def test_two_nics_are_wired_directly():
    assert "local.path=lan0.sock,remote.type=unix,remote.path=../h1/lan0.sock" in command(lab_of(2))


def test_more_nics_are_on_a_switch():
    assert "remote.path=../switch-h0-lan0.sock" in command(lab_of(3))


def test_the_kernel_unpacks_what_cpio_writes(tmp_path):
    entries = {"a/b/file": cpio.regular(b"content", 0o600), "a/empty": cpio.directory()}
    unpack = ["cpio", "--quiet", "--extract", "--make-directories"]
    subprocess.run(unpack, input=cpio.archive(entries), cwd=tmp_path, check=True)
    assert (tmp_path / "a/b/file").read_bytes() == b"content"
    assert (tmp_path / "a/b/file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a/empty").is_dir()


def test_modules_are_loaded_behind_what_they_need(tmp_path):
    (tmp_path / "modules.dep").write_text(
        "fs/ext4.ko: fs/jbd2.ko lib/crc16.ko\nfs/jbd2.ko:\nlib/crc16.ko:\n"
        "drivers/virtio-blk.ko: drivers/virtio.ko\ndrivers/virtio.ko:\n"
    )
    order = initrd.load_order(tmp_path, ("virtio_blk", "built_in", "ext4"))
    names = [path.name for path in order]
    assert names == ["virtio.ko", "virtio-blk.ko", "crc16.ko", "jbd2.ko", "ext4.ko"]


def test_another_archive_may_follow_the_initrd():
    assert [len(initrd.aligned(b"x" * size)) for size in (0, 1, 4, 7)] == [0, 4, 4, 8]


@pytest.fixture
def keys(tmp_path) -> ssh.Keys:
    for name in ("login", "login.pub", "host", "host.pub", "known_hosts"):
        (tmp_path / name).write_text(f"{name}\n")
    return ssh.Keys(tmp_path)


def test_a_host_gets_its_own_identity(keys):
    lab = lab_of(2)
    first, second = (hostfiles.files(lab, host, keys) for host in lab.hosts)
    assert first["etc/hostname"].data == b"h0\n"
    assert first["etc/machine-id"] != second["etc/machine-id"]
    assert first["etc/iscsi/initiatorname.iscsi"] != second["etc/iscsi/initiatorname.iscsi"]
    assert b"10.0.0.12 h1" in first["etc/hosts"].data


def test_the_name_of_a_host_is_no_loopback_address(keys):
    lab = lab_of(2)
    assert b"10.0.0.11 h0" in hostfiles.files(lab, lab.hosts[0], keys)["etc/hosts"].data


def test_private_keys_are_for_root_alone(keys):
    files = hostfiles.files(lab_of(1), lab_of(1).hosts[0], keys)
    for path in ("root/.ssh/id_ed25519", "etc/ssh/ssh_host_ed25519_key"):
        assert files[path].mode & 0o777 == 0o600


def test_a_bare_image_has_no_libvirt():
    bare = declaration.ImageSpec("bookworm", "bare")
    whole = declaration.ImageSpec("bookworm", "kvm_host")
    assert not [name for name in recipe.packages(bare) if "libvirt" in name or "qemu" in name]
    assert "libvirt-daemon-system" in recipe.packages(whole)
    assert recipe.image_key(bare) != recipe.image_key(whole)


def test_a_bare_host_can_become_a_kvm_host_without_a_network():
    bare = declaration.ImageSpec("trixie", "bare")
    assert "libvirt-daemon-system" in recipe.downloads(bare)
    assert recipe.downloads(declaration.ImageSpec("trixie", "kvm_host")) == []
    command = distribution.command(bare, Path("/out.tar"))
    assert "--skip=cleanup/apt" in command
    hooks = [word for word in command if word.startswith("--customize-hook=")]
    assert len(hooks) == 2
    assert "--download-only" in hooks[1]


def test_an_image_that_downloads_nothing_keeps_nothing_of_apt():
    command = distribution.command(declaration.ImageSpec("bookworm", "kvm_host"), Path("/out.tar"))
    assert not [word for word in command if word.startswith(("--skip", "--customize-hook"))]
    assert command[-2:] == ["bookworm", "/out.tar"]


def test_components_of_debian_are_asked_for():
    spec = declaration.ImageSpec("bookworm", "kvm_host", components=("contrib",))
    assert "--components=main,contrib" in distribution.command(spec, Path("/out.tar"))
    plain = declaration.ImageSpec("bookworm", "kvm_host")
    assert recipe.packages_key(spec) != recipe.packages_key(plain)


def test_packages_make_another_image():
    plain = declaration.ImageSpec("trixie", "kvm_host")
    more = declaration.ImageSpec("trixie", "kvm_host", ("openvswitch-switch",))
    assert recipe.image_key(plain) != recipe.image_key(more)
    assert recipe.image_key(plain) == recipe.image_key(declaration.ImageSpec("trixie", "kvm_host"))


def test_a_declared_kernel_is_the_only_one():
    plain = declaration.ImageSpec("trixie", "kvm_host")
    other = declaration.ImageSpec("trixie", "kvm_host", ("linux-image-amd64", "tcpdump"))
    kernels = [
        [name for name in recipe.packages(spec) if name.startswith("linux-image")]
        for spec in (plain, other)
    ]
    assert kernels == [[recipe.KERNEL], ["linux-image-amd64"]]


def test_the_inventory_leads_to_every_host(tmp_path):
    lab = lab_of(2)
    saved = state.State({}, {"name": "tcg"}, ports={"h0": 1, "h1": 2})
    tree = inventory.of_lab(lab, saved, tmp_path / "with space")
    hosts = tree["all"]["children"]["kvm_hosts"]["hosts"]
    assert [host["ansible_port"] for host in hosts.values()] == [1, 2]
    assert f"-F '{tmp_path}/with space/ssh_config' " in hosts["h0"]["ansible_ssh_common_args"]
    assert hosts["h1"]["lab_addresses"] == {"lan0": "10.0.0.12/24"}


def test_names_beyond_a_lab_host_share_no_connection(tmp_path):
    """As of Ansible, whose connections are told apart by the name and port that ssh goes to."""
    keys = ssh.Keys(tmp_path)
    ssh.write_config(tmp_path / "ssh_config", keys, {"h0": 1111, "h1": 2222})
    go_to = {}
    for name in ("h0", "h1", "behind-h0", "behind-h1"):
        asked = ["ssh", "-G", "-F", str(tmp_path / "ssh_config"), name]
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        options = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
        go_to[name] = options["hostname"], options["port"], options.get("controlpath", "")
        assert options["user"] == "root"
    assert len(set(go_to.values())) == 4
    assert go_to["h1"][:2] == ("127.0.0.1", "2222") and "2222" in go_to["h1"][2]
    assert go_to["behind-h0"][2] == ""


def test_a_bare_host_is_no_kvm_host_in_the_inventory(tmp_path):
    hosts = [{"name": "whole"}, {"name": "empty", "profile": "bare", "release": "trixie"}]
    lab = declaration.parse({"name": "x", "hosts": hosts})
    saved = state.State({}, {"name": "tcg"}, ports={"whole": 1, "empty": 2})
    groups = inventory.of_lab(lab, saved, tmp_path)["all"]["children"]
    members = {name: list(group["hosts"]) for name, group in groups.items()}
    assert members == {
        "kvm_hosts": ["whole"],
        "bookworm": ["whole"],
        "bare_hosts": ["empty"],
        "trixie": ["empty"],
    }


def test_all_missing_programs_are_named_with_their_packages():
    with pytest.raises(LabError, match="needs absent-a, absent-b; install one, two"):
        programs.require({"absent-b": "two", "sh": "dash", "absent-a": "one"})
