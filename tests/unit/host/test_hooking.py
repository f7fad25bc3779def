"""What libvirt's hook does at its calls: its code, and the script that the role installs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import hooking, noted
from ansible_collections.kvm.fleet.plugins.module_utils.host.hooked import hook_of
from support.made_up_host import GIB, UUID, MadeUpHost

ROOT = Path(__file__).parents[3]
FILES = ROOT / "roles/kvm_host/files"

AT_ONCE = """
import sys
from pathlib import Path
root, definition = sys.argv[1:]
sys.path[:0] = [COLLECTIONS]
from ansible_collections.kvm.fleet.plugins.module_utils.host import hooking, noted
from ansible_collections.kvm.fleet.plugins.module_utils.host.capacity import Places
places = Places(*(root + path for path in Places()[:-1]), run=lambda _command: "")
for _time in range(50):
    noted.write(places, "called", "1 1")
    noted.record(places, hooking.vm_of_xml(definition), "/machine.slice")
""".replace("COLLECTIONS", repr(str(ROOT / ".ansible/collections")))


@pytest.fixture
def host(tmp_path: Path) -> MadeUpHost:
    return MadeUpHost(tmp_path)


def domain(name: str = "web", number: int = 1, reserved: int = GIB) -> str:
    return f"""<domain type='kvm'>
  <name>{name}</name>
  <uuid>{UUID.format(number)}</uuid>
  <metadata><fleet:resource xmlns:fleet="urn:kvm.fleet:1">
    <fleet:reservation memory="{reserved // 1024}"/>
  </fleet:resource></metadata>
  <memory unit='KiB'>{reserved // 1024}</memory>
  <vcpu>1</vcpu>
</domain>"""


def call(host: MadeUpHost, operation: str, definition: str) -> tuple[int, str]:
    status, said = hooking.called(operation, definition, host.daemon, host.places)
    return status, "\n".join(said)


def test_a_vm_starts_runs_and_ends(host: MadeUpHost) -> None:
    assert call(host, "prepare", domain()) == (0, "")
    scope = host.start("web")
    assert call(host, "started", domain()) == (0, "")
    assert int(host.value(scope, "memory.min")) > GIB
    host.stop(scope)
    assert call(host, "release", domain()) == (0, "")
    assert host.value("/machine.slice", "memory.min") == "0"
    assert noted.faults(host.places) == noted.records(host.places) == []


def test_a_start_over_what_the_host_has_fails_with_the_sum(host: MadeUpHost) -> None:
    status, said = call(host, "prepare", domain(reserved=9 * GIB))
    assert status == 1
    assert "vm/web" in said
    # libvirt calls this in any case.
    assert call(host, "release", domain(reserved=9 * GIB)) == (0, "")
    assert host.calls == noted.faults(host.places) == []


def test_a_daemon_that_comes_back_has_its_vms_noted(host: MadeUpHost) -> None:
    scope = host.start("web")
    assert call(host, "reconnect", domain(reserved=9 * GIB)) == (0, "")
    assert int(host.value(scope, "memory.min")) > 9 * GIB


def test_libvirt_may_call_for_several_vms_at_once(host: MadeUpHost) -> None:
    """As it does for all that run, when its daemon comes back."""
    names = [f"vm{number}" for number in range(8)]
    for name in names:
        host.start(name)
    calls = [
        subprocess.Popen([sys.executable, "-c", AT_ONCE, str(host.root), domain(name, number)])
        for number, name in enumerate(names)
    ]
    assert [call.wait() for call in calls] == [0] * len(calls)
    assert noted.faults(host.places) == []
    assert len(noted.records(host.places)) == len(names)


@pytest.mark.parametrize("operation", ["prepare", "started", "reconnect", "release"])
@pytest.mark.parametrize("fault", ["policy", "definition", "no scope", "systemd", "state"])
def test_no_fault_stops_a_vm(host: MadeUpHost, operation: str, fault: str) -> None:
    if fault != "no scope":
        host.start("web")
    if fault == "policy":
        host.write("/etc/kvm-fleet/admission.json", "{")
    if fault == "systemd":
        host.refuses = "MemoryMin"
    if fault == "state":
        host.write("/run/kvm-fleet", "not a folder")
    definition = "<domain/>" if fault == "definition" else domain()
    assert call(host, operation, definition) == (0, "")


def test_what_went_wrong_is_told(host: MadeUpHost) -> None:
    host.write("/etc/kvm-fleet/admission.json", "{")
    call(host, "prepare", domain())
    [told] = noted.faults(host.places)
    assert "vm/web was admitted by the usual strict policy, since the host's cannot be" in told
    assert "admission.json" in told
    # It holds what it was promised all the same, and others are kept off.
    scope = host.start("web")
    call(host, "started", domain())
    assert int(host.value(scope, "memory.min")) > GIB
    assert call(host, "prepare", domain("db", 2, 7 * GIB))[0] == 1


def test_a_policy_that_is_there_and_cannot_be_opened_is_none_to_go_by(host: MadeUpHost) -> None:
    Path(host.places.policy).mkdir(parents=True)
    assert call(host, "prepare", domain(reserved=9 * GIB))[0] == 1
    assert "admission.json: Is a directory" in noted.faults(host.places)[0]


@pytest.mark.parametrize("cgroups", [1, 2])
def test_a_vm_whose_cgroup_is_not_found_holds_what_it_was_promised(
    host: MadeUpHost, cgroups: int
) -> None:
    """Its daemon says that it runs. Cgroups of version 1 are looked for no further."""
    if cgroups == 1:
        (host.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    assert call(host, "reconnect", domain(reserved=6 * GIB)) == (0, "")
    assert call(host, "prepare", domain("db", 2, 2 * GIB))[0] == 1
    assert len(noted.faults(host.places)) == (cgroups == 2)
    call(host, "release", domain(reserved=6 * GIB))
    assert call(host, "prepare", domain("db", 2, 2 * GIB))[0] == 0


PLAIN = domain()
ODD = {
    "nothing": "",
    "white space": " \n",
    "half of it": PLAIN[: len(PLAIN) // 2],
    "not closed": PLAIN.replace("</name>", ""),
    "no quotes": PLAIN.replace("'", ""),
    "no UUID": PLAIN.replace("<uuid>", "<uid>"),
    "a UUID that leads elsewhere": PLAIN.replace("<uuid>", "<uuid>../../"),
    "a unit of its own": PLAIN.replace("KiB", "sacks"),
    "a character that is none": PLAIN.replace("web", "&#xd800;&#1114112;&#99999999999;&x;"),
    "surrogates": PLAIN.replace("web", "\udcff"),
    "no name": PLAIN.replace("web", ""),
    "spaces": PLAIN.replace("web", "my  VM "),
    "another script": PLAIN.replace("web", "\u0432\u0435\u0431\u2028\U0001f40d"),
    "no numbers": PLAIN.replace('memory="', 'cpu="many" memory="x'),
    "too many digits": PLAIN.replace('memory="', 'memory="' + "9" * 5000),
    "many elements": PLAIN.replace("<metadata>", "<metadata>" + "<a>" * 100000),
    "many endings": PLAIN.replace("<metadata>", "<metadata>" + "</a>" * 100000),
    "a long text": PLAIN.replace("<vcpu>", f"<description>{'x' * 10**7}</description><vcpu>"),
    "no metadata": "<domain><name>web</name></domain>",
    "other XML": "<network><name>web</name></network>",
}


@pytest.mark.parametrize("operation", ["prepare", "started", "reconnect", "release", "stopped"])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_no_definition_stops_a_vm(host: MadeUpHost, operation: str, text: str) -> None:
    host.start("web")
    assert call(host, operation, text) == (0, "")


# ---- the script


@pytest.fixture
def script(host: MadeUpHost, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hook as the role installs it, for the made-up host."""
    library = Path(host.places.library)
    for room, names in {"engine": "promises*.py", "host": "*.py"}.items():
        (library / "fleet" / room).mkdir(parents=True)
        for file in (ROOT / "plugins/module_utils" / room).glob(names):
            shutil.copy(file, library / "fleet" / room)
    places = library / "fleet/host/capacity.py"
    made_up = f"SYSTEM = Places(*({str(host.root)!r} + one for one in Places()[:-1]))\n"
    places.write_text(places.read_text().replace("SYSTEM = Places()\n", made_up))
    shutil.copy(FILES / "hook.py", library)
    here = {"/usr/local/": f"{host.root}/usr/local/", "/run/": f"{host.root}/run/"}
    for path in (host.places.hook, host.places.daemon_hook, library / "hook.py"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        text = (FILES / ("hook.py" if path == library / "hook.py" else "hook")).read_text()
        for there, made_up in {**here, "/usr/bin/python3": sys.executable}.items():
            text = text.replace(there, made_up)
        Path(path).write_text(text)
        Path(path).chmod(0o755)
    return Path(host.places.hook)


def run(script: Path, operation: str, definition: str) -> tuple[int, str]:
    done = subprocess.run(
        [script, "web", operation, "begin", "-"],
        input=definition,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_script_admits_and_refuses(script: Path, host: MadeUpHost) -> None:
    for operation in ("migrate", "restore", "start", "stopped"):
        assert run(script, operation, "") == (0, "")
    # Its daemon is this test, which lives: it holds what it was promised.
    assert run(script, "prepare", domain()) == (0, "")
    status, said = run(script, "prepare", domain("db", 2, 9 * GIB))
    assert status == 1
    assert len(said.splitlines()) > 3
    assert noted.faults(host.places) == []


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-", "</dev/null", "2>/dev/full"])
def test_the_script_does_without_what_is_closed(
    script: Path, host: MadeUpHost, closed: str
) -> None:
    command = f"'{script}' web prepare begin - {closed}"
    done = subprocess.run(
        ["sh", "-c", command],
        input=domain(reserved=9 * GIB),
        capture_output=True,
        text=True,
        check=False,
    )
    # Where nothing says what is to be started, nothing speaks against it.
    assert (done.returncode, done.stderr) == (int("<" not in closed), "")
    assert not any("Python ended" in one for one in noted.faults(host.places))


def test_the_script_reads_utf_8_whatever_the_language_of_its_daemon(
    script: Path, host: MadeUpHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL"):
        monkeypatch.setenv(name, "de_DE.ISO-8859-1")
    assert run(script, "prepare", domain("b\xfcro")) == (0, "")
    [note] = Path(host.places.state, "vms").iterdir()
    assert "name b\xfcro\n" in note.read_text(encoding="utf-8")


@pytest.mark.parametrize("operation", ["prepare", "started", "reconnect", "release"])
@pytest.mark.parametrize("broken", ["import sys; sys.exit(1)", "import os; os.kill(0, 9)", ""])
def test_no_broken_python_stops_a_vm(
    script: Path, host: MadeUpHost, operation: str, broken: str
) -> None:
    """Nor one that is not there: for reconnect, libvirt would kill the VM."""
    code = Path(host.places.library, "hook.py")
    code.write_text(broken.replace("kill(0", "kill(os.getpid()"))
    if not broken:
        script.write_text(script.read_text().replace(sys.executable, "/no/such/python"))
    assert run(script, operation, domain())[0] == 0
    assert f"{operation} of vm/web: " in noted.faults(host.places)[0]


def test_a_call_of_the_daemons_own_notes_that_it_calls(script: Path, host: MadeUpHost) -> None:
    def call(operation: str) -> int:
        command = [host.places.daemon_hook, "-", operation, "-", operation]
        return subprocess.run(command, check=False).returncode

    assert [call(operation) for operation in ("start", "shutdown", "reload")] == [0, 0, 0]
    # This test is no daemon of libvirt's.
    assert noted.faults(host.places) == []
    assert not Path(host.places.state, "called").exists()


def test_it_is_known_whether_the_daemon_calls_it(script: Path, host: MadeUpHost) -> None:
    assert hook_of(host.places)["called"] is False
    noted.note_call(host.places, host.daemon)
    assert hook_of(host.places)["called"] is True
    # One that starts now would find the hook.
    shutil.rmtree(host.root / f"proc/{host.daemon}")
    assert hook_of(host.places)["called"] is True


def test_its_version_is_that_of_all_its_parts(script: Path, host: MadeUpHost) -> None:
    before = hook_of(host.places)["installed"]
    assert before
    part = Path(host.places.library, "fleet/host/noted.py")
    part.write_text(part.read_text() + "# edited\n")
    assert hook_of(host.places)["installed"] not in ("", before)
    script.chmod(0o644)  # libvirt skips it, and says nothing
    assert hook_of(host.places)["installed"] == ""
