"""One VM that a test defines by hand and declares, and what is said of that."""

from __future__ import annotations

from typing import Any

from support.module_server import ModuleServer
from support.observer import Observer
from support.private_libvirtd import PrivateLibvirtd

Result = dict[str, Any]
SMALL = {"size": "64MiB"}


class Host:
    """A libvirtd, on which a test declares VMs and looks at what became of that."""

    def __init__(
        self, libvirtd: PrivateLibvirtd, modules: ModuleServer, observer: Observer, prefix: str
    ) -> None:
        self.libvirtd = libvirtd
        self.modules = modules
        self.observer = observer
        self.name = f"{prefix}vm"

    def defined(
        self, inside: str = "", devices: str = "", vcpus: str = "1", system: str = ""
    ) -> str:
        """A VM that somebody made by hand, with this inside; its XML."""
        self.libvirtd.run(
            ["virsh", "define", "/dev/stdin"],
            stdin=f"""<domain type="qemu"><name>{self.name}</name><memory unit="MiB">64</memory>
            <vcpu>{vcpus}</vcpu><os><type machine="q35">hvm</type>{system}</os>
            <features><acpi/></features>{inside}<devices>{devices}</devices></domain>""",
        )
        return self.xml()

    def xml(self) -> str:
        return self.libvirtd.virsh("dumpxml", self.name, "--inactive", "--security-info")

    def declare(self, **options: Any) -> Result:
        """Declare what can be: check mode says what is done, and a second run does nothing."""
        args = {"name": self.name, **options}
        predicted = self.modules.run("vm", args, check=True)
        done = self.modules.run("vm", args)
        assert not done.get("failed"), done["msg"]
        assert (predicted["plan"], predicted["changed"]) == (done["plan"], done["changed"])
        again = self.modules.run("vm", args)
        assert (again["changed"], again["plan"]) == (False, [])
        return done

    def refused(self, **options: Any) -> str:
        """What is said of what cannot be, in check mode as in a run, neither of which does any."""
        args = {"name": self.name, **options}
        with self.observer.unchanged():
            predicted = self.modules.run("vm", args, check=True)
            done = self.modules.run("vm", args)
        assert predicted.get("failed") and done.get("failed"), (predicted, done)
        assert predicted["errors"] == done["errors"]
        return str(done["msg"])
