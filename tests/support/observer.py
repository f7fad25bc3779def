"""All that a test has on a libvirtd, as text to compare: told by libvirt and the file system."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import libvirt

from support.private_libvirtd import PrivateLibvirtd

Dump = dict[str, str]


class Observer:
    """Sees what on one libvirtd carries a prefix in its name."""

    def __init__(self, libvirtd: PrivateLibvirtd, prefix: str) -> None:
        self.libvirtd = libvirtd
        self.prefix = prefix
        self.conn = libvirt.open(libvirtd.uri)

    def close(self) -> None:
        self.conn.close()

    def dump(self) -> Dump:
        """All definitions, stored and live, with what is not XML, and the files of the pools."""
        seen: Dump = {}
        for domain in self._mine(self.conn.listAllDomains()):
            seen |= self._domain(domain)
        for network in self._mine(self.conn.listAllNetworks()):
            seen |= self._network(network)
        for pool in self._mine(self.conn.listAllStoragePools()):
            seen |= self._pool(pool)
        for secret in self.conn.listAllSecrets():
            if (secret.usageID() or "").startswith(self.prefix):
                seen |= _secret(secret)
        return seen

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """See that nothing changes meanwhile."""
        before = self.dump()
        yield
        changed = differences(before, self.dump())
        assert not changed, f"this has changed: {changed}"

    def _mine(self, resources: list[Any]) -> Iterator[Any]:
        return (one for one in resources if one.name().startswith(self.prefix))

    def _domain(self, domain: libvirt.virDomain) -> Dump:
        at = f"vm/{domain.name()}"
        secure = libvirt.VIR_DOMAIN_XML_SECURE
        state, active = domain.state()[0], domain.isActive()
        facts = (state, active, domain.autostart(), domain.hasManagedSaveImage())
        stored = domain.XMLDesc(secure | libvirt.VIR_DOMAIN_XML_INACTIVE)
        live = {f"{at} live": _running_text(domain)} if active else {}
        return {f"{at} stored": stored, f"{at} facts": repr(facts), **live}

    def _network(self, network: libvirt.virNetwork) -> Dump:
        at = f"vswitch/{network.name()}"
        active = network.isActive()
        facts = (active, network.isPersistent() and network.autostart())
        stored = network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
        live = {f"{at} live": network.XMLDesc()} if active else {}
        return {f"{at} stored": stored, f"{at} facts": repr(facts), **live}

    def _pool(self, pool: libvirt.virStoragePool) -> Dump:
        at = f"storage_pool/{pool.name()}"
        active = pool.isActive()
        stored = _pool_text(pool, libvirt.VIR_STORAGE_XML_INACTIVE)
        seen = {
            f"{at} stored": stored,
            f"{at} facts": repr((active, pool.isPersistent() and pool.autostart())),
            f"{at} files": self._files(ET.fromstring(stored).findtext("target/path")),
        }
        if active:
            pool.refresh()  # libvirt learns some things of a volume only when it looks again
            seen[f"{at} live"] = _pool_text(pool)
            for volume in pool.listAllVolumes():
                seen[f"storage_volume/{pool.name()}/{volume.name()} stored"] = _volume_text(volume)
        return seen

    def _files(self, path: str | None) -> str:
        folder = self.libvirtd.outside(path or "/nowhere")
        if not path or not path.startswith("/var/lib/libvirt") or not folder.is_dir():
            return ""
        return "\n".join(_file(entry) for entry in sorted(folder.iterdir()))


def _secret(secret: libvirt.virSecret) -> Dump:
    """With the value, where libvirt gives it out, in an element that libvirt has not."""
    text = secret.XMLDesc()
    name = ET.fromstring(text).find("usage").get("type")  # type: ignore[union-attr]
    try:
        value = f"<value>{secret.value().hex()}</value></secret>"
    except libvirt.libvirtError:
        value = "</secret>"
    return {f"secret/{name}/{secret.usageID()} stored": text.replace("</secret>", value)}


def _file(path: Path) -> str:
    stat = os.lstat(path)
    return f"{path.name} {stat.st_size} {stat.st_mtime_ns} {stat.st_mode:o} {stat.st_uid}"


def _running_text(domain: libvirt.virDomain) -> str:
    # What the guest has given to the balloon so far is its own affair.
    return re.sub(r"<currentMemory .*", "", domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE))


def _pool_text(pool: libvirt.virStoragePool, flags: int = 0) -> str:
    # How full the file system is changes by itself: others write to it too. Its size is measured
    # at a start, and stored for as long as nobody defines the pool anew.
    return re.sub(r"<(capacity|allocation|available) .*", "", pool.XMLDesc(flags))


def _volume_text(volume: libvirt.virStorageVol) -> str:
    # To look at a volume is to read it, and the file system allocates some time after a write.
    return re.sub(r"<(atime>|allocation ).*", "", volume.XMLDesc())


def differences(before: Dump, after: Dump) -> str:
    """What differs between two dumps, empty if nothing does."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return "\n".join(f"{key}\n{before.get(key)}\n---\n{after.get(key)}" for key in keys)
