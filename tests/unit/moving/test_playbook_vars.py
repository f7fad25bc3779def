"""By what the playbooks of moves reach hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
HOSTS = {
    "kvm1": {},
    "kvm2": {"ansible_host": "192.0.2.2", "ansible_user": "admin", "ansible_port": 2222},
    "kvm3": {"ansible_host": "2001:db8::3"},
}
BY_SSH = {
    "kvm1": {"uri": "qemu+ssh://root@kvm1/system"},
    "kvm2": {"uri": "qemu+ssh://admin@192.0.2.2:2222/system"},
    "kvm3": {"uri": "qemu+ssh://root@[2001:db8::3]/system"},
}
CONTENT = "{{ kvm_move_hosts | to_json }}"
OTHERS = {"kvm1": {"uri": "qemu+tls://kvm1/system"}}


def reached(folder: Path, **extra: Any) -> dict[str, Any]:
    """The hosts that the playbooks hand to modules, as these get them."""
    inventory, told = folder / "hosts.json", folder / "told.json"
    inventory.write_text(json.dumps({"kvm_hosts": {"hosts": HOSTS}}))
    play = {
        **{"hosts": "localhost", "connection": "local", "gather_facts": False},
        "vars_files": str(ROOT / "playbooks" / "vars" / "moving.yml"),
        "tasks": [
            {"ansible.builtin.copy": {"content": CONTENT, "dest": str(told), "mode": "0600"}}
        ],
    }
    playbook = folder / "play.json"
    playbook.write_text(json.dumps([play]))
    program = Path(sys.executable).with_name("ansible-playbook")
    subprocess.run(
        [str(program), "-i", str(inventory), "-e", json.dumps(extra), str(playbook)],
        check=True,
        timeout=600,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    said = json.loads(told.read_text())
    assert isinstance(said, dict)
    return said


def test_hosts_are_reached_as_ansible_reaches_them_or_as_a_user_says(tmp_path: Path) -> None:
    assert reached(tmp_path) == BY_SSH
    assert reached(tmp_path, kvm_hosts_reached=OTHERS) == OTHERS
    assert reached(tmp_path, kvm_hosts_group="none") == {}
