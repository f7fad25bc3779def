# Managed by the role kvm.fleet.kvm_host. What libvirt's hook for VLANs does with the definition of
# a VM that starts, which libvirt hands over in UTF-8 whatever the daemon's language is.
import sys

sys.path.insert(0, "/usr/local/lib/kvm-fleet-vlans")
from fleet.host import port_vlans

with open(0, encoding="utf-8", errors="replace") as stream:
    said = port_vlans.started(stream.read())
sys.exit("\n".join(said) if said else 0)
