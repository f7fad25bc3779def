"""The verdict on KVM: the decision from plain values, the readers, and the probe itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kvm.fleet.plugins.module_utils.host import acceleration
from ansible_collections.kvm.fleet.plugins.module_utils.host.acceleration import Finding, Verdict

OPENS = Finding(True, "/dev/kvm opens")
CLOSED = Finding(False, "/dev/kvm does not open: No such file or directory")
RAN = Finding(True, "a probe guest ran under KVM")
FAILED = Finding(False, "the probe guest did not run: failed to initialize kvm")


@pytest.mark.parametrize(
    ("node", "flags", "probe", "accelerated", "reason"),
    [
        (OPENS, {"svm"}, RAN, True, "a probe guest ran under KVM"),
        (OPENS, {"vmx"}, RAN, True, "a probe guest ran under KVM"),
        (OPENS, {"sse2"}, RAN, False, "/dev/kvm opens, but the CPU has neither vmx nor svm"),
        (CLOSED, {"sse2"}, None, False, f"{CLOSED.detail}, and the CPU has neither vmx nor svm"),
        (CLOSED, {"vmx"}, None, False, CLOSED.detail),
        (OPENS, {"vmx"}, FAILED, False, FAILED.detail),
        (OPENS, {"vmx"}, None, False, "no probe guest was run"),
    ],
)
def test_verdict(
    node: Finding, flags: set[str], probe: Finding | None, accelerated: bool, reason: str
) -> None:
    assert acceleration.verdict(node, flags, probe) == Verdict(accelerated, reason)


def capabilities(*domain_types: str) -> str:
    """A host of x86_64, whose libvirt also emulates aarch64 and calls that kvm."""
    domains = "".join(f"<domain type='{name}'/>" for name in domain_types)
    return f"""<capabilities>
      <host><cpu><arch>x86_64</arch></cpu></host>
      <guest><os_type>hvm</os_type><arch name='aarch64'><domain type='kvm'/></arch></guest>
      <guest><os_type>hvm</os_type><arch name='x86_64'>{domains}</arch></guest>
    </capabilities>"""


@pytest.mark.parametrize(
    ("domain_types", "probe", "choice"),
    [
        (("qemu", "kvm"), Verdict(True, "it ran"), ("kvm", "it ran")),
        (("qemu", "kvm"), Verdict(False, "no svm"), ("qemu", "no svm")),
        (("qemu", "kvm"), None, ("kvm", "libvirt offers kvm guests on this host")),
        (("qemu",), Verdict(True, "it ran"), ("qemu", "libvirt offers no kvm guests on this host")),
        (("test",), None, ("test", "libvirt offers no kvm guests on this host")),
        ((), None, ("qemu", "libvirt offers no kvm guests on this host")),
    ],
)
def test_choose_virt_type(
    domain_types: tuple[str, ...], probe: Verdict | None, choice: tuple[str, str]
) -> None:
    assert acceleration.choose_virt_type(capabilities(*domain_types), probe) == choice


def test_a_node_that_is_missing_or_something_else(tmp_path: Path) -> None:
    assert "No such file" in acceleration.kvm_node(str(tmp_path / "kvm")).detail
    assert acceleration.kvm_node("/dev/null") == Finding(
        False, "/dev/null opens but is not KVM: Inappropriate ioctl for device"
    )


def test_cpu_flags_are_those_of_the_first_cpu(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu svm\nvmx flags\t: vnmi\n\nflags\t\t: fpu\n")
    assert acceleration.cpu_flags(str(cpuinfo)) == {"fpu", "svm"}
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert acceleration.cpu_flags(str(cpuinfo)) == frozenset()


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A QEMU that counts its starts and behaves as the file `behaviour` next to it says."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho start >>starts\n. ./behaviour\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("behaviour", "finding"),
    [
        ("printf fleet", Finding(True, "a probe guest ran under KVM")),
        ("printf leet", Finding(False, "the probe guest did not run: exit status 0, no message")),
        (
            "{ echo 'qemu: failed to initialize kvm'; echo 'qemu: warning: no pni'; } >&2; exit 1",
            Finding(False, "the probe guest did not run: qemu: failed to initialize kvm"),
        ),
        (
            "echo 'KVM internal error. Suberror: 1' >&2; echo RAX=0 >&2; exec sleep 5",
            Finding(
                False,
                "the probe guest did not end within 0.5 s: KVM internal error. Suberror: 1",
            ),
        ),
    ],
)
def test_what_the_probe_reports(qemu: Path, behaviour: str, finding: Finding) -> None:
    (qemu.parent / "behaviour").write_text(behaviour)
    assert acceleration.run_probe(str(qemu), deadline_s=0.5) == finding


def test_only_a_success_is_remembered_and_only_for_this_qemu(qemu: Path) -> None:
    cache = qemu.parent / "cache" / "probe-passed"
    starts = qemu.parent / "starts"

    def probe(behaviour: str) -> bool:
        (qemu.parent / "behaviour").write_text(behaviour)
        return acceleration.remembered_probe(str(qemu), cache).holds

    assert not probe("exit 1")
    assert probe("printf fleet")
    assert probe("exit 1"), "remembered"
    assert starts.read_text().count("start") == 2
    qemu.write_text(qemu.read_text() + "# another version\n")
    assert not probe("exit 1")


def test_without_qemu_nothing_is_probed(tmp_path: Path) -> None:
    assert acceleration.find_qemu([str(tmp_path / "qemu")]) is None
    found = acceleration.remembered_probe(None, tmp_path / "probe-passed")
    assert not found.holds
    assert found.detail.startswith("QEMU is not installed")


def test_the_probe_program_does_what_it_says() -> None:
    """Under emulation, which runs anywhere: the firmware itself is right."""
    qemu = acceleration.find_qemu()
    if qemu is None:
        pytest.skip("QEMU is not installed")
    assert acceleration.run_probe(qemu, accel="tcg").holds
