"""What goes with a vswitch on a real libvirtd."""

from __future__ import annotations

import json
import time
from typing import Any

from support.module_server import ModuleServer
from support.private_libvirtd import PrivateLibvirtd

MAC, ADDRESS = "52:54:00:23:17:01", "192.0.2.77"


def test_leases_that_go_with_it_are_in_the_plan(
    libvirtd: PrivateLibvirtd, modules: ModuleServer, prefix: str
) -> None:
    bridge = f"{prefix}br"
    ranges = [{"start": "192.0.2.70", "end": "192.0.2.79"}]
    net: dict[str, Any] = {"name": f"{prefix}net", "bridge": bridge, "address": "192.0.2.1/24"}
    done = modules.run("vswitch", {**net, "dhcp": {"ranges": ranges}})
    assert done["changed"], done
    # What libvirt's lease helper writes when dnsmasq gives an address.
    lease = {"ip-address": ADDRESS, "mac-address": MAC, "expiry-time": int(time.time()) + 3600}
    status = libvirtd.outside(f"/var/lib/libvirt/dnsmasq/{bridge}.status")
    status.write_text(json.dumps([lease]))
    for check in (True, False):
        gone = modules.run("vswitch", {"name": net["name"], "state": "absent"}, check)
        told = {c["field"]: (c["before"], c["after"]) for c in gone["plan"]}
        assert told["leases"] == (f"{MAC} {ADDRESS}", "absent"), gone
    assert not status.exists()
