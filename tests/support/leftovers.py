"""Removes from a libvirtd what a test left on it, found by the prefix of its names."""

from __future__ import annotations

import libvirt


def remove_all(uri: str, prefix: str) -> None:
    """Remove the VMs, networks and pools whose names begin so; files stay."""
    connection = libvirt.open(uri)
    try:
        for domain in connection.listAllDomains():
            if domain.name().startswith(prefix):
                _remove_domain(domain)
        for resource in [*connection.listAllNetworks(), *connection.listAllStoragePools()]:
            if resource.name().startswith(prefix):
                _remove(resource)
    finally:
        connection.close()


def _remove_domain(domain: libvirt.virDomain) -> None:
    persistent = domain.isPersistent()
    if domain.isActive():
        domain.destroy()
    if persistent:
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        )


def _remove(resource: libvirt.virNetwork | libvirt.virStoragePool) -> None:
    persistent = resource.isPersistent()
    if resource.isActive():
        resource.destroy()
    if persistent:
        resource.undefine()
