#!/usr/bin/env bash
# The first process of a PrivateLibvirtd: hides the machine's own libvirt behind private folders.
#
# Run by private_libvirtd.py in new mount, network, PID and cgroup namespaces, as
#     namespaces.sh BASE NAME PATH=FOLDER...
# where each FOLDER below BASE takes the place of PATH. Prints "ready", then lives for as long as its
# standard input stays open: when the test run ends, however it ends, the kernel ends everything
# that runs in these namespaces. As their PID 1 it also collects orphans (bash does, while reading).
set -euo pipefail

base=$1 name=$2
shift 2

mount --make-rprivate /
ip link set lo up

for pair in "$@"; do
    mkdir -p "${pair%%=*}"
    mount --bind "$base/${pair#*=}" "${pair%%=*}"
done

# Without D-Bus libvirt registers nothing with the machine's systemd.
if [[ -d /run/dbus ]]; then
    mount -t tmpfs -o size=64k none /run/dbus
fi

# Where the group of /dev/kvm is not Debian's, as in some containers, QEMU's user cannot open it, and
# libvirt then probes QEMU again at every turn (10 s for a define): give it a node as udev would.
if [[ -c /dev/kvm ]] && getent group kvm >/dev/null; then
    mkdir "$base/dev"
    mount -t tmpfs -o size=64k,mode=711 none "$base/dev"
    mknod -m 660 "$base/dev/kvm" c 10 232
    chgrp kvm "$base/dev/kvm"
    mount --bind "$base/dev/kvm" /dev/kvm
fi

# A cgroup of its own in place of each root, so that the groups of equally named VMs don't meet.
mapfile -t cgroups < <(awk '$3 ~ /^cgroup2?$/ {print $3, $2}' /proc/mounts)
for line in "${cgroups[@]}"; do
    read -r type cgroup <<<"$line"
    mkdir "$cgroup/$name" 2>/dev/null || continue
    for setting in cpuset.cpus cpuset.mems; do
        # Only version 1 starts empty, and then takes no process.
        [[ $type == cgroup && -e $cgroup/$setting ]] && cat "$cgroup/$setting" >"$cgroup/$name/$setting"
    done
    mount --bind "$cgroup/$name" "$cgroup"
done

# /sys/class/net shows the network namespace that mounted /sys.
mkdir "$base/cgroup"
mount --rbind /sys/fs/cgroup "$base/cgroup"
mount -t sysfs none /sys
mount --rbind "$base/cgroup" /sys/fs/cgroup
umount --recursive --lazy "$base/cgroup"

echo ready
read -r _ || true
