# Managed by the role kvm.fleet.kvm_host. What libvirt's hook does, with the operation and the
# process of the daemon.
import contextlib
import os
import sys

LIBRARY = "/usr/local/lib/kvm-fleet"
REFUSED = 3  # nothing else may stop a VM


def main(operation, daemon):
    """The exit status."""
    sys.path.insert(0, LIBRARY)
    if operation == "start":  # of the daemon
        from fleet.host import capacity, noted

        noted.note_call(capacity.SYSTEM, daemon)
        return 0
    from fleet.host import hooking

    is_refused, said = hooking.called(operation, definition(), daemon)
    with contextlib.suppress(OSError):  # nobody may listen, and it is refused all the same
        os.write(2, "".join(f"{one}\n" for one in said).encode(errors="replace"))
    return REFUSED if is_refused else 0


def definition():
    """What libvirt hands over, in UTF-8 whatever the daemon's language is; nothing of nothing."""
    try:
        with open(0, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


if __name__ == "__main__":
    status = main(sys.argv[1], int(sys.argv[2]))
    os._exit(status)  # nothing is left to be tidied up, and that takes time
