"""What the role kvm_host reads in systemctl's words: what is in order gets no task of its own."""

from __future__ import annotations

from support.ansible_runs import ROOT, run_playbook

ROLE = ROOT / "roles" / "kvm_host"
# In the order in which the role asks: seven sockets, then libvirtd.service.
TOLD = [
    ("active", "enabled"),
    ("inactive", "enabled"),
    ("active", "disabled"),
    *(("active", "enabled"),) * 4,
    ("inactive", "enabled"),
]
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars_files: [%s/vars/main.yml]
  vars:
    __kvm_host_probe: {libvirt: {daemons: monolithic}}
    __kvm_host_unit_states: {stdout: "%s"}
  tasks:
    - name: Show
      ansible.builtin.set_fact:
        running: "{{ __kvm_host_active_units }}"
        enabled: "{{ __kvm_host_enabled_units }}"
"""


def test_each_unit_is_known_by_its_own_paragraph() -> None:
    said = "\\n\\n".join(f"ActiveState={now}\\nUnitFileState={file}" for now, file in TOLD)
    facts = run_playbook(PLAYBOOK % (ROLE, said)).result_of("Show")["ansible_facts"]
    assert "virtlogd-admin.socket" not in facts["running"]
    assert "virtlockd.socket" not in facts["enabled"]
    assert (len(facts["running"]), len(facts["enabled"])) == (6, 7)
    assert "libvirtd.service" in facts["enabled"]
