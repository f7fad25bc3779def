#!/usr/bin/python
# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm: declares a virtual machine of a KVM host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vm
short_description: Declares a virtual machine of a KVM host
version_added: "0.1.0"
author:
  - kvm.fleet contributors (@kvm-fleet)
description:
  - Makes a virtual machine be as it is declared, as a libvirt domain, and brings it to a power
    state.
  - An option that is omitted is not managed. On a VM that is there it keeps what it has, and so
    does everything in its definition that no option is about.
  - What a new VM has where nothing is said is told with each option.
  - A change is of one class. V(live) takes effect on a running VM at once, V(hotplug) too, as a
    device that comes or goes, V(restart) is stored and takes effect when the VM is next powered on.
    Each option says which it is; where it says nothing, it is V(restart). What waits for a restart
    is returned in RV(pending_restart), also when somebody else left it so.
  - Disks, CD-ROMs and NICs are known by a name, never by their position. The name is kept as
    libvirt's user alias, C(ua-disk-NAME), C(ua-cdrom-NAME) and C(ua-nic-NAME). A disk or CD-ROM
    that others made has its target as its name, such as V(vda). A NIC that others made is told of
    under its MAC address; one that is declared with this MAC, under any name, is that NIC.
  - The UUID of a VM and the MAC addresses of its NICs are derived from the names, so a VM that is
    made again is the same VM.
  - All of a declaration is checked, also against the host, before anything is changed. libvirt
    itself judges what is planned. What it would not store is refused, and what it would not start
    where the VM is to run.
  - When a run fails, the error says what was done of it before, and RV(vm) is the VM as it is.
  - In check mode a pool, volume, vswitch or file that is not there yet may be what an earlier task
    of the play would make. It gives a warning there, and an error in a run.
notes:
  - Sizes are written with their unit, such as V(2GiB) or V(512MiB), never as a bare number. The
    units are B, KiB, MiB, GiB, TiB and PiB.
  - A disk is never deleted because it was taken from a VM. See O(remove_storage).
  - What libvirt refuses beside the new value of an option goes with it, and is in the plan under a
    name of its own, with a note that says why. So a boot order of devices takes C(boot.devices)
    away, another bus of a disk its C(address), and another type of graphics the channels of SPICE.
    What the plan does not show is not edited; before anything is stored, each run sees to that.
options:
  name:
    description:
      - Name of the VM, which is that of the libvirt domain.
    type: str
    required: true
  state:
    description:
      - V(present) means defined, its power left as it is. A new VM is then stopped.
      - V(running) starts, resumes or restores it.
      - V(stopped) shuts it down as O(shutdown) says. One that was saved is started for that, so
        that its guest ends in order.
      - V(paused) suspends a running VM, and starts one that does not run without letting its CPUs
        run.
      - V(saved) saves the memory of a running or paused VM to disk and stops it. One that is
        stopped has nothing to save, which is an error.
      - V(absent) shuts it down as O(shutdown) says, and removes its definition with what libvirt
        knows of its snapshots. One that was saved is started for that too. Its disks, the variables
        of its UEFI firmware (NVRAM) and the state of its TPM stay, and a VM that is declared again
        under the same name finds them. See O(remove_storage). The plan has a line for each of them.
    type: str
    choices: [present, running, stopped, paused, saved, absent]
    default: present
  title:
    description:
      - A short title. An empty string takes it away. Changes live.
    type: str
  description:
    description:
      - A description. An empty string takes it away. Changes live.
    type: str
  tags:
    description:
      - Names and values of your own, kept in the VM's metadata as texts. They are replaced as a
        whole; one whose value is null is left out. Changes live.
    type: dict
  protected:
    description:
      - Whether the VM must not be removed, neither by O(state=absent) nor by pruning. Changes live.
    type: bool
  scope:
    description:
      - The set of declarations that the VM belongs to. One task of M(kvm.fleet.host_config) that
        prunes leaves alone what is of another scope than its own. An empty string takes it away.
        Changes live.
    type: str
  group:
    description:
      - The group of VMs that it is a member of, by which C(vm_groups) of M(kvm.fleet.host_config)
        knows its own, and which it notes by itself. A member leaves the group and stays as it is
        where this is an empty string. In a clone by another program the note means nothing.
        Changes live.
    type: str
  autostart:
    description:
      - Whether the VM starts with the host.
    type: bool
  virt_type:
    description:
      - V(kvm) runs the guest on the CPU, V(qemu) emulates it.
      - V(auto) is V(kvm) where guests really run under KVM, otherwise V(qemu). It decides for a new
        VM only, which has V(auto) where nothing is said.
    type: str
    choices: [auto, kvm, qemu]
  machine:
    description:
      - A family of machine types, such as V(q35) or V(pc), or one version of it, such as
        V(pc-q35-7.2).
      - A family means its newest version on the host for a new VM, and the version that it has for
        a VM that is of this family. A new VM is V(q35) on hosts that have it.
    type: str
  firmware:
    description:
      - The firmware. libvirt picks the image. A new VM has V(bios).
    type: str
    choices: [efi, bios]
  secure_boot:
    description:
      - Whether the firmware has secure boot. It needs V(efi) as O(firmware). What a VM has where
        nothing is said is libvirt's choice.
    type: bool
  boot:
    description:
      - What the VM boots from. The order of single disks and NICs is a matter of their
        O(disks[].boot_order) and O(nics[].boot_order).
    type: dict
    suboptions:
      devices:
        description:
          - Kinds of devices in the order in which they are tried. V([hd]) or an empty list is
            what libvirt has by itself.
          - libvirt takes either this or a boot order of single devices. Where a declaration gives
            one to a device, this goes; both together are an error.
        type: list
        elements: str
        choices: [hd, cdrom, network, fd]
      menu:
        description:
          - A menu that the firmware shows, in which a person at the screen chooses.
        type: dict
        suboptions:
          enabled:
            description:
              - Whether there is one.
            type: bool
          timeout_ms:
            description:
              - How long it waits, up to 65535. V(0) is what the firmware has by itself.
            type: int
      bios:
        description:
          - How SeaBIOS behaves.
        type: dict
        suboptions:
          useserial:
            description:
              - Whether it writes to the serial port, of which there has to be one.
            type: bool
          reboot_timeout_ms:
            description:
              - After how long it tries again where nothing boots, up to 65535. V(-1) is never.
            type: int
      kernel:
        description:
          - Path of the kernel on the host. An empty string takes it away.
        type: str
      initrd:
        description:
          - Path of the initial RAM disk on the host. An empty string takes it away.
        type: str
      cmdline:
        description:
          - Arguments for the kernel. An empty string takes them away.
          - The values of arguments that are secrets by their names, C(token=) or
            C(inst.vncpassword=), are shown as C((hidden)).
        type: str
  features:
    description:
      - What the board and the hypervisor have. What is not said stays as it is. A new VM on x86
        has O(features.acpi) and O(features.apic).
      - All take effect at the next start. Whether a host's KVM has an enlightenment shows at the
        start only.
    type: dict
    suboptions:
      acpi:
        description:
          - ACPI, by which a guest is asked to shut down. UEFI needs it.
        type: bool
      apic:
        description:
          - The APIC of x86.
        type: bool
      pae:
        description:
          - Physical address extension for guests of 32 bits.
        type: bool
      hap:
        description:
          - Paging by the host's hardware.
        type: bool
      smm:
        description:
          - System management mode, which secure boot needs and brings.
        type: bool
      vmport:
        description:
          - The emulated port of VMware.
        type: bool
      pvspinlock:
        description:
          - Paravirtual spinlocks.
        type: bool
      pmu:
        description:
          - Performance counters.
        type: bool
      vmcoreinfo:
        description:
          - A place in which the guest says where its core dump is described.
        type: bool
      kvm:
        description:
          - What KVM shows of itself.
        type: dict
        suboptions:
          hidden:
            description:
              - Whether KVM hides itself, which drivers of some GPUs ask for.
            type: bool
          hint_dedicated:
            description:
              - A hint that the vCPUs have CPUs of their own.
            type: bool
          poll_control:
            description:
              - Polling by the guest before it halts, under its control.
            type: bool
          pv_ipi:
            description:
              - Paravirtual interrupts between vCPUs.
            type: bool
      hyperv:
        description:
          - Enlightenments of Hyper-V, by which Windows runs better. One that is on sets
            O(features.hyperv.mode=custom) where no mode is said.
          - Some need others, and without is an error. V(stimer) needs V(vpindex), V(synic) and
            the timer V(hypervclock) in O(clock.timers); V(synic), V(tlbflush) and V(ipi) need
            V(vpindex); V(evmcs) needs V(vapic); V(stimer_direct) needs V(stimer).
        type: dict
        suboptions:
          mode:
            description:
              - V(custom) has those that are on, V(passthrough) all that the host has, V(none)
                none, and takes them all away.
            type: str
            choices: [custom, passthrough, none]
          relaxed:
            description:
              - No watchdog in the guest for what a host does late.
            type: bool
          vapic:
            description:
              - A virtual APIC.
            type: bool
          spinlocks:
            description:
              - How often a guest tries a spinlock before it says so to the hypervisor, 4095 or
                more. V(0) is never.
            type: int
          vpindex:
            description:
              - The number of a vCPU.
            type: bool
          runtime:
            description:
              - How long a vCPU ran.
            type: bool
          synic:
            description:
              - A synthetic interrupt controller.
            type: bool
          stimer:
            description:
              - Synthetic timers.
            type: bool
          stimer_direct:
            description:
              - Direct mode of the synthetic timers.
            type: bool
          reset:
            description:
              - A reset by the hypervisor.
            type: bool
          frequencies:
            description:
              - Frequencies of the TSC and APIC.
            type: bool
          reenlightenment:
            description:
              - Notice of another TSC frequency after a move.
            type: bool
          tlbflush:
            description:
              - Flushes of other vCPUs' TLB.
            type: bool
          ipi:
            description:
              - Interrupts between vCPUs.
            type: bool
          evmcs:
            description:
              - Enlightened VMCS, for Hyper-V in the guest on Intel.
            type: bool
          vendor_id:
            description:
              - The vendor that the guest sees, of up to 12 characters. An empty string takes it
                away.
            type: str
  smbios:
    description:
      - What SMBIOS tells the guest (C(dmidecode)). Empty strings take entries away.
    type: dict
    suboptions:
      mode:
        description:
          - V(emulate) is QEMU's own, V(host) what the host's has of its system, V(sysinfo) what
            stands below, and what it is where something does and nothing is said here.
        type: str
        choices: [host, sysinfo, emulate]
      bios:
        description:
          - The firmware.
        type: dict
        suboptions:
          vendor:
            description:
              - The vendor.
            type: str
          version:
            description:
              - The version.
            type: str
          date:
            description:
              - The date.
              - As MM/DD/YYYY.
            type: str
          release:
            description:
              - The release.
              - Two numbers, such as V(2.1).
            type: str
      system:
        description:
          - The machine.
        type: dict
        suboptions:
          manufacturer:
            description:
              - The manufacturer.
            type: str
          product:
            description:
              - The product.
            type: str
          version:
            description:
              - The version.
            type: str
          serial:
            description:
              - The serial number.
            type: str
          uuid:
            description:
              - The UUID.
              - It has to be that of the VM.
            type: str
          sku:
            description:
              - The SKU.
            type: str
          family:
            description:
              - The family.
            type: str
      base_board:
        description:
          - The board.
        type: dict
        suboptions:
          manufacturer:
            description:
              - The manufacturer.
            type: str
          product:
            description:
              - The product.
            type: str
          version:
            description:
              - The version.
            type: str
          serial:
            description:
              - The serial number.
            type: str
          asset:
            description:
              - The asset tag.
            type: str
          location:
            description:
              - The location.
            type: str
      chassis:
        description:
          - The case.
        type: dict
        suboptions:
          manufacturer:
            description:
              - The manufacturer.
            type: str
          version:
            description:
              - The version.
            type: str
          serial:
            description:
              - The serial number.
            type: str
          asset:
            description:
              - The asset tag.
            type: str
          sku:
            description:
              - The SKU.
            type: str
      oem_strings:
        description:
          - Texts for programs in the guest, in their order. An empty list takes them away.
        type: list
        elements: str
  emulator:
    description:
      - Path of QEMU on the host. An empty string, or a path where packages put it
        (C(/usr/bin/qemu-system-x86_64)), is the one that libvirt finds by itself.
    type: str
  cpu:
    description:
      - The virtual CPUs.
    type: dict
    suboptions:
      count:
        description:
          - How many vCPUs the VM has.
          - Changes live up to O(cpu.maximum), and down to the number that it was started with. It
            goes down only where the guest can let go of vCPUs, which is not while it is paused, nor
            under emulation (V(qemu) as O(virt_type)).
          - A count above the maximum raises the stored maximum with it if that is not given.
          - A new VM has as many as O(cpu.maximum), or 1.
        type: int
      maximum:
        description:
          - How many vCPUs it can have without a restart. A new VM has the product of
            O(cpu.topology), or as many as O(cpu.count).
          - A maximum below the count lowers the count with it if that is not given.
          - In a VM with O(numa.cells) new vCPUs are in the first of them, and those that go leave
            theirs. The plan shows the cells.
        type: int
      mode:
        description:
          - V(host-model) is the named model that is nearest to the host's CPU,
            V(host-passthrough) is the host's CPU itself, V(maximum) has every feature that the
            hypervisor can give, V(custom) is the one named in O(cpu.model).
          - A new VM under KVM has V(host-model) where neither this nor a model is given.
        type: str
        choices: [host-model, host-passthrough, maximum, custom]
      model:
        description:
          - A model of libvirt's, such as V(EPYC-Rome). It makes the mode V(custom).
        type: str
      check:
        description:
          - How libvirt sees before a start whether the host can give this CPU, which is not at
            all, in part, or every feature by what QEMU makes of it. What is not said is libvirt's
            choice by the mode, and is not told.
        type: str
        choices: [none, partial, full]
      migratable:
        description:
          - Whether a CPU of mode V(host-passthrough) or V(maximum) leaves out what cannot be
            moved. libvirt has V(true) where nothing is said.
        type: bool
      topology:
        description:
          - What the guest sees of sockets and cores. The product is O(cpu.maximum). A part that is
            not given is 1 on a VM that has no topology yet.
        type: dict
        suboptions:
          sockets:
            description: Sockets.
            type: int
          dies:
            description: Dies in a socket.
            type: int
          cores:
            description: Cores in a die.
            type: int
          threads:
            description: Threads in a core.
            type: int
      features:
        description:
          - Features of the CPU beside those of its mode and model.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the feature, such as V(vmx).
            type: str
            required: true
          policy:
            description:
              - V(require) gives it and fails to start where it cannot, V(optional) gives it where
                it can, V(disable) hides it, V(force) gives it in any case, V(forbid) refuses to
                start where the host has it.
            type: str
            choices: [require, disable, force, optional, forbid]
          state:
            description: Whether the VM's definition says anything of this feature.
            type: str
            choices: [present, absent]
            default: present
      shares:
        description:
          - How much of the CPU the VM gets, against others beside it, where not all can have what
            they want. Twice the shares are twice the time. V(low), V(normal) and V(high) are 50,
            100 and 200 for each vCPU of O(cpu.count), 10000 at most, and are stored and shown as
            that number. A number is from 2 to 10000. V(0) takes them away, and what counts is the
            kernel's own weight, which is 100.
          - In the kernel it is the weight of the VM's control group (C(cpu.weight), or
            C(cpu.shares) in version 1), in libvirt C(shares) of C(cputune).
          - Changes live, but for V(0).
        type: str
      limit:
        description:
          - How many cores' time the VM can use at most, such as V(2) or V(0.5), with 3 decimals at
            most. All its threads count, also those of the emulator. V(0) takes the limit away.
          - In the kernel it is the quota of the VM's control group (C(cpu.max), or
            C(cpu.cfs_quota_us) in version 1), in libvirt C(global_quota) of C(cputune), of a
            C(global_period) of 100 ms. Where somebody set another period, it is kept.
          - Changes live.
        type: float
      reservation:
        description:
          - How many cores' time is promised to the VM, such as V(2) or V(0.5), with 3 decimals at
            most. No more than its vCPUs can use (O(cpu.count)), and not above O(cpu.limit). V(0)
            takes it away.
          - The kernel has no such thing. It is kept in the VM's metadata, no more is promised than
            the host has, and the weights of control groups (C(cpu.weight)) are such that the VM
            gets at least this when all are busy.
          - Changes live.
        type: float
      dedicated:
        description:
          - Whether each vCPU has a CPU of the host of its own. They are chosen among those that no
            other VM has alone, and kept from then on, as O(cpu.pinning.vcpus), or are the ones
            that are written there. They are of one NUMA node where one has enough, whole cores
            come before single threads of cores, and the core of CPU 0 comes last. There is one for
            each vCPU up to O(cpu.maximum), and one at least is left for all else.
          - All other threads of the VM run apart, on what is nobody's own, as
            O(cpu.pinning.emulator) and O(cpu.pinning.iothreads) where these are not written.
          - What is dedicated counts as O(cpu.reservation). V(false) takes the pins away as well.
          - In the kernel it is the pinning, and that the control groups of all other VMs are kept
            off these CPUs (C(AllowedCPUs) of systemd) by what the role P(kvm.fleet.kvm_host#role)
            installs. Other processes of the host are not kept off.
          - Changes live, but where vCPUs are to run anywhere again.
        type: bool
      pinning:
        description:
          - On which CPUs of the host the VM's threads run, each a list such as V(0-3,8). A CPU
            that the host does not have is an error.
          - In the kernel these are the CPUs of a thread's control group (C(cpuset.cpus)) and the
            affinity of the thread, in libvirt C(vcpupin), C(emulatorpin) and C(iothreadpin) of
            C(cputune).
          - Changes live, but where a thread that was pinned is to run anywhere again.
        type: dict
        suboptions:
          vcpus:
            description:
              - The CPUs of each vCPU, which are counted from 0. A vCPU that is left out is not
                pinned, and V({}) takes all of it away.
            type: dict
          emulator:
            description:
              - The CPUs of all threads that are neither of a vCPU nor for I/O. An empty string
                takes it away.
            type: str
          iothreads:
            description:
              - The CPUs of each I/O thread by its number. One that is left out is not pinned, and
                V({}) takes all of it away.
            type: dict
  memory:
    description:
      - The memory. A new VM needs O(memory.size) or O(memory.maximum).
    type: dict
    suboptions:
      size:
        description:
          - How much memory the guest has, a multiple of 1 KiB. What the guest does not have of
            O(memory.maximum) is held by the balloon, and what it has above that is plugged in, up
            to O(memory.hotplug).
          - Changes live up to both together; the balloon needs one, and the guest follows as fast
            as its driver does. A guest that keeps plugged memory which it is asked to give back is
            an error, and a warning of later runs. A size above both raises the stored maximum with
            it if that is not given.
        type: str
      maximum:
        description:
          - How much the VM is started with, which the guest can have without a restart. A new VM
            has O(memory.size).
          - A maximum below the size lowers the size with it if that is not given.
        type: str
      hotplug:
        description:
          - How much memory can be plugged into the running VM above O(memory.maximum), a multiple
            of 2 MiB (of the size of its O(memory.huge_pages) where that is more). V(0B) is none.
            Takes effect at the next start; what is plugged in then changes live by O(memory.size).
          - It is a device virtio-mem, named by its alias, for which the VM gets a NUMA cell and a
            C(maxMemory) where it has none. Both go with it again. Those of others are kept, as are
            memory devices that others made, which count as O(memory.maximum).
          - The guest needs the driver virtio_mem (Linux 5.8, Windows by virtio-win). What is
            plugged in is taken from the host when the guest uses it. Not possible where the memory
            is locked.
        type: str
      balloon:
        description:
          - The balloon device. A new VM has V(virtio).
        type: str
        choices: [virtio, none]
      balloon_stats_period_s:
        description:
          - How often the guest's driver reports how it uses its memory, in seconds. V(0) turns it
            off. Changes live.
        type: int
      reservation:
        description:
          - How much of its memory the host holds for the VM, a multiple of 1 KiB, at most
            O(memory.maximum). V(0B) reserves nothing. Changes live.
          - In the kernel a size is C(memory.min) of the VM's control group and of those above it,
            set by the hook of the role P(kvm.fleet.kvm_host#role) at each start. What is there is
            not reclaimed as long as it is within. Without the hook nothing holds it.
          - V(all) is all that the VM may have, whatever that becomes. It brings O(memory.locked)
            unless the memory is in huge pages, and takes that away again when it goes.
          - Libvirt has no word for it (its C(min_guarantee) is refused for QEMU), so it stands in
            the definition's metadata.
        type: str
      limit:
        description:
          - How much memory the VM may take of the host, what QEMU itself needs included, a multiple
            of 1 KiB. V(0B) is no limit. Changes live where the VM has a control group for memory.
          - In the kernel it is C(memory.max) of the VM's control group (libvirt's C(hard_limit)).
            The kernel kills a VM that passes it, so a limit is refused that is less than
            O(memory.maximum) and what QEMU needs beside it. What a guest shall have is
            O(memory.size).
          - Huge pages are not charged to a VM and do not count.
        type: str
      locked:
        description:
          - Whether all of QEMU's memory is locked (C(mlockall)), so that nothing of it is ever
            swapped out. All of O(memory.maximum) is then taken from the host at the start.
          - With O(memory.limit) that has to have place for all that QEMU maps, several hundred MiB
            more than the guest has.
        type: bool
      ksm:
        description:
          - Whether the kernel may merge pages of the VM that others have too (C(madvise) with
            C(MADV_MERGEABLE)). It does where KSM runs on the host. V(false) keeps the pages of this
            VM to itself (libvirt's C(nosharepages)).
        type: bool
      huge_pages:
        description:
          - The size of the huge pages in which the VM's memory is, such as V(2MiB) or V(1GiB), or
            V(none). In the kernel they come from the host's pool of pages of that size (hugetlbfs),
            are never swapped out, and are not charged to the VM's control group.
          - A VM starts only where enough of them are free. Where they are not, the plan has a
            change C(host_huge_pages) that grows the host's pool before the start. The pages stay
            there until the host restarts. What the kernel cannot find memory in one piece for is an
            error, and the pool is then as it was.
        type: str
  numa:
    description:
      - NUMA, as the guest sees it, and where on the host's nodes the VM is.
    type: dict
    suboptions:
      cells:
        description:
          - The NUMA nodes that the guest sees, libvirt's C(cell). Each vCPU up to O(cpu.maximum) is
            in one of them, and together their memory is O(memory.maximum), which follows where it
            is not given. A new VM has as many vCPUs as its cells where none are given.
          - Those that are not named stay. A cell that goes has to be the last.
          - A maximum of vCPUs that is raised puts new ones into the first cell; the plan shows it.
        type: list
        elements: dict
        suboptions:
          id:
            description: Number of the cell. They are counted from 0.
            type: int
            required: true
          cpus:
            description: The vCPUs in it as a list, such as V(0-3). An empty string is none.
            type: str
          memory:
            description: Its memory, a multiple of 1 KiB.
            type: str
          state:
            description: Whether there is such a cell.
            type: str
            choices: [present, absent]
            default: present
      placement:
        description:
          - On which NUMA nodes of the host the VM's memory is. A node that the host does not have
            is an error.
          - In the kernel it is the memory policy of QEMU (C(mbind)) and C(cpuset.mems) of the VM's
            control group, in libvirt C(memory) of C(numatune). What others wrote there for single
            cells stays.
          - The kernel moves no memory that is in use, so it takes effect at the next start.
        type: dict
        suboptions:
          mode:
            description:
              - V(strict) takes memory of these nodes alone, and the VM fails where they have none
                left. V(preferred) takes it elsewhere then, V(interleave) takes it in turn of each.
                V(none) takes the placement away, and the kernel takes memory of the node on which
                the thread runs that asks for it.
              - Where only O(numa.placement.nodes) are written, it is V(strict).
            type: str
            choices: [strict, preferred, interleave, none]
          nodes:
            description:
              - Numbers of nodes as a list, such as V(0) or V(0-1). An empty string takes the
                placement away.
            type: str
  clock:
    description:
      - What the VM's clock shows at start, and what it is kept by.
    type: dict
    suboptions:
      offset:
        description:
          - V(utc), V(localtime), which is the time zone of the host, as Windows has it, or the
            V(timezone) of O(clock.timezone). A new VM has V(utc).
          - An offset that others gave (C(variable), C(absolute)) stays as it is until one is
            declared.
        type: str
        choices: [utc, localtime, timezone]
      timezone:
        description:
          - A time zone such as V(Europe/Berlin), which the host's tzdata knows. It makes the
            offset V(timezone).
        type: str
      timers:
        description:
          - Timers of the board.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Which timer.
            type: str
            choices: [rtc, pit, hpet, kvmclock, hypervclock, tsc]
            required: true
          state:
            description:
              - V(absent) leaves the timer to libvirt and QEMU again.
            type: str
            choices: [present, absent]
            default: present
          present:
            description:
              - Whether the guest has it.
            type: bool
          tickpolicy:
            description:
              - What becomes of ticks that the guest missed. Not every timer has every policy.
            type: str
            choices: [delay, catchup, merge, discard]
          frequency_hz:
            description:
              - The frequency, of V(tsc) only. It binds the VM to hosts that can give it.
            type: int
  on_poweroff:
    description:
      - What happens when the guest powers off. A new VM has V(destroy). Changes live.
      - V(restart) together with O(on_reboot=destroy) is refused, since QEMU cannot do it.
    type: str
    choices: [destroy, restart]
  on_reboot:
    description:
      - What happens when the guest reboots. A new VM has V(restart). Changes live.
    type: str
    choices: [destroy, restart]
  on_crash:
    description:
      - What happens when the guest crashes. A new VM has V(destroy). Changes live.
    type: str
    choices: [destroy, restart, preserve, coredump-destroy, coredump-restart]
  disks:
    description:
      - Disks. A new one needs O(disks[].pool) and O(disks[].volume), or O(disks[].file), or
        O(disks[].device).
      - With one of O(disks[].capacity), O(disks[].copy_of), O(disks[].backing) or O(disks[].image)
        the disk brings its volume with it, which is made or grown in the same run, as
        M(kvm.fleet.storage_volume) would. That needs O(disks[].pool).
      - Come and go by hotplug on the buses V(virtio) and V(usb), and on V(scsi) where the VM runs
        with a virtio-scsi controller. A disk on V(virtio) needs a free PCI port; a new VM of
        machine type V(q35) has four to spare. What has a boot order that something running has,
        or would be the first to have one, comes at a restart.
      - A disk with the image of one that is there, under a name that the VM does not have, is
        that one, and goes by its target (C(vda)) in plans and results. So disks that others made
        can be declared under any name.
      - An image has one writer. It is an error to give a disk an image that another disk of any
        VM on the host has, running or not, unless all of them say O(disks[].shareable) or
        O(disks[].read_only), or one on which snapshots or linked clones stand.
      - As long as a backup, a copy or a merge of snapshots works on a disk, it cannot be moved,
        taken away or grown, and the VM is not restarted by O(apply).
      - After a snapshot (C(virsh snapshot-create-as --disk-only), a backup tool) a disk writes to
        an overlay that stands on its image. Where the image that is declared is below the overlay,
        the disk is as declared and stays as it is; a warning tells. To put another image in the
        place of an overlay is an error, as is one that was an overlay of what the VM writes to.
      - After C(virsh blockcopy --pivot) or a whole C(virsh blockpull) the image that was declared
        is no longer below what the VM writes to. The disk is not put back onto it as long as the
        declaration is what it was, which is an error that names both images. Declare the image that
        the VM is on now. Or, to put the disk back with what its old image holds, take it away
        (O(disks[].state=absent)) and declare it again. A disk that names no volume, because it
        brings one, can as well name that one to be put back.
      - What was declared is noted in the metadata when a disk comes or moves, in VMs that the
        module made. Where nothing is noted, as in those of others, the disk is planned onto the
        image that is declared, with a warning that says when both were last written to.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the disk in the VM, of letters, digits, C(-) and C(_).
        type: str
        required: true
      state:
        description:
          - V(absent) takes the disk from the VM. What is stored on it stays. One that others made
            goes by its target as the name, or by its image under any name.
          - A guest has to let a disk go. If it does not within 20 seconds the task fails, and the
            disk is gone after the next restart.
        type: str
        choices: [present, absent]
        default: present
      pool:
        description:
          - Storage pool of the volume that the disk is.
        type: str
      volume:
        description:
          - Volume in the pool. A disk that brings its volume with it has V(VM-DISK.FORMAT), with
            V(qcow2) as the format where none is given.
        type: str
      file:
        description:
          - Path of an image on the host.
        type: str
      device:
        description:
          - Path of a block device on the host.
        type: str
      bus:
        description:
          - What the disk is connected to. A new one is on V(virtio). V(scsi) brings a virtio-scsi
            controller with it.
        type: str
        choices: [virtio, scsi, sata, usb, ide]
      format:
        description:
          - The format of the image. That of a volume is known. V(raw) for a new disk on a
            O(disks[].device).
        type: str
        choices: [qcow2, raw]
      cache:
        description:
          - How the host caches it. V(default) leaves it to QEMU.
        type: str
        choices: [none, writeback, writethrough, directsync, unsafe, default]
      io:
        description:
          - How QEMU reads and writes. V(default) leaves it to QEMU.
        type: str
        choices: [native, threads, io_uring, default]
      discard:
        description:
          - Whether what the guest discards is given back to the storage. V(default) leaves it to
            QEMU.
        type: str
        choices: [unmap, ignore, default]
      serial:
        description:
          - Serial number that the guest sees, of up to 36 characters. An empty string takes it
            away.
        type: str
      boot_order:
        description:
          - Place in the boot order, counted from 1 over disks, CD-ROMs and NICs. V(0) takes it out.
        type: int
      read_only:
        description:
          - Whether the guest can only read it.
        type: bool
      shareable:
        description:
          - Whether other VMs may use it at the same time. It needs the format V(raw).
        type: bool
      limits:
        description:
          - Limits. A total and one for reads or writes of the same thing exclude each other.
            Change live.
        type: dict
        suboptions:
          total_iops:
            description: Operations a second. V(0) takes the limit away.
            type: int
          read_iops:
            description: Reads a second. V(0) takes the limit away.
            type: int
          write_iops:
            description: Writes a second. V(0) takes the limit away.
            type: int
          total_bandwidth:
            description: Bytes a second, such as V(100MiB). V(0B) takes the limit away.
            type: str
          read_bandwidth:
            description: Bytes read a second, such as V(100MiB). V(0B) takes the limit away.
            type: str
          write_bandwidth:
            description: Bytes written a second, such as V(100MiB). V(0B) takes the limit away.
            type: str
      capacity:
        description:
          - Size of the volume that the disk brings with it, such as V(20GiB). It can grow, also
            while the VM runs, but never shrink.
        type: str
      provisioning:
        description:
          - Whether the volume takes space as it is written to, or all of it at once. See
            O(kvm.fleet.storage_volume#module:provisioning).
        type: str
        choices: [thin, thick]
      copy_of:
        description:
          - Make the volume as a full copy of another.
        type: dict
        suboptions:
          pool:
            description: The pool of that volume, by default that of the disk.
            type: str
          volume:
            description: The name of that volume.
            type: str
            required: true
      backing:
        description:
          - Make the volume as a linked clone, which holds only what differs from what it stands on.
        type: dict
        suboptions:
          pool:
            description: The pool of the volume to stand on, by default that of the disk.
            type: str
          volume:
            description: The volume to stand on.
            type: str
          file:
            description: The file on the host to stand on, instead of a volume.
            type: path
          format:
            description:
              - The format of the file. Needed only if the host is not the machine where the module
                runs.
            type: str
            choices: [qcow2, raw]
      image:
        description:
          - Make the volume from this image, a file of the machine where the module runs (also as
            C(file://...)), or what comes from a URL (V(https://...), V(http://...)).
          - From a URL it is fetched by that machine when the volume is made, never in check mode
            and never for a volume that is there. What was cut off is gone on with, also by a later
            run. It is compared with its checksum before it becomes anything.
          - What comes may be packed (gzip, xz, bzip2, zstd) and of another format (vmdk, vhdx, vdi,
            vpc, qcow2, raw); its content tells, and C(qemu-img) converts it. One that names other
            files, as a backing file, is refused.
        type: path
      checksum:
        description:
          - What the image must be, as V(sha256:) or V(sha512:) and the digits.
          - Of an image by URL, by which it is needed, also V(sha256:) or V(sha512:) and the URL of
            a list of checksums, C(SHA256SUMS) as GNU or BSD write it, which is fetched when the
            plan is made; or V(none), which takes whatever comes and keeps it in no library.
          - It counts when the volume is made. Where another is declared later, the disk keeps what
            it has, and a warning says so.
        type: str
      download:
        description: How an image by URL is fetched.
        type: dict
        suboptions:
          library:
            description:
              - The folder in which images are kept as they came, each named by its checksum, so
                that one fetch is enough for all volumes of it. By default
                C(/var/lib/kvm-fleet/images), of others than root C(~/.cache/kvm-fleet/images). What
                is in it may be removed at any time.
            type: path
          proxy:
            description:
              - The URL of a proxy. By default those of the environment, C(http_proxy),
                C(https_proxy) and C(no_proxy).
            type: str
          validate_certs:
            description:
              - V(false) takes any certificate of the server; by default it must be trusted.
            type: bool
          ca_path:
            description:
              - A file with the certificates of those who are trusted, instead of the system's.
            type: path
          username:
            description: By whom the server is asked, with O(disks[].download.password).
            type: str
          password:
            description: The password of that. It is not used for a list of checksums.
            type: str
          headers:
            description:
              - Headers for the server, such as a token. They go to no other that it leads to, and
                are not used for a list of checksums.
            type: dict
          timeout_s:
            description: For how many seconds nothing may come, by default 30.
            type: int
      existing:
        description:
          - What to do where the volume that a new disk is to bring is there already. V(adopt), the
            default, takes it up with what is on it, and a warning tells its format, size and age.
            V(error) refuses it. A disk that the VM has is not asked for it again.
        type: str
        choices: [adopt, error]
  cdroms:
    description:
      - CD-ROM drives. A new one without a medium is empty.
      - Media change live. Drives come and go at a restart.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the drive in the VM, of letters, digits, C(-) and C(_).
        type: str
        required: true
      state:
        description:
          - Whether the VM has the drive.
        type: str
        choices: [present, absent]
        default: present
      file:
        description:
          - Path of an image on the host. An empty string ejects the medium.
        type: str
      device:
        description:
          - Path of a block device on the host.
        type: str
      pool:
        description:
          - Storage pool of the volume that is the medium.
        type: str
      volume:
        description:
          - Volume in the pool.
        type: str
      bus:
        description:
          - What the drive is connected to. A new one is on V(sata).
        type: str
        choices: [sata, scsi, ide, usb]
      boot_order:
        description:
          - Place in the boot order, as O(disks[].boot_order).
        type: int
  nics:
    description:
      - NICs. A new one needs O(nics[].vswitch) or O(nics[].bridge).
      - Come and go by hotplug where the VM has a free PCI port, and nothing that runs has the same
        boot order. On V(q35) the models V(e1000) and V(rtl8139) need a bridge to the older PCI.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the NIC in the VM, of letters, digits, C(-) and C(_).
          - A NIC that others made is known by its MAC address, which is its name for
            M(kvm.fleet.vm_info), or by any name that is declared with its O(nics[].mac). Several
            with one MAC address are told apart by a number, V(52:54:00:12:34:56#2).
        type: str
        required: true
      state:
        description:
          - Whether the VM has the NIC.
        type: str
        choices: [present, absent]
        default: present
      vswitch:
        description:
          - The vswitch that it is connected to. Changes live.
        type: str
      bridge:
        description:
          - The bridge of the host that it is connected to, instead of a vswitch. Changes live.
        type: str
      port_group:
        description:
          - Port group of the vswitch. An empty string takes it away.
          - Up to libvirt 9.0 it changes live with O(nics[].vswitch), and where the limits of the
            groups differ. Else it waits for a restart, as libvirt does not take it up, and with it
            another O(nics[].vswitch).
        type: str
      mac:
        description:
          - MAC address. A new NIC has one in 52:54:00, derived from the names of VM and NIC.
          - No two NICs on a host may have the same.
        type: str
      model:
        description:
          - The device that the guest sees. A new NIC is V(virtio).
        type: str
        choices: [virtio, e1000e, e1000, rtl8139, igb]
      mtu:
        description:
          - MTU that the guest is told, from 68 to 65521.
        type: int
      link:
        description:
          - Whether the cable is plugged in. Changes live.
        type: str
        choices: [down, up]
      boot_order:
        description:
          - Place in the boot order, as O(disks[].boot_order).
        type: int
      bandwidth:
        description:
          - Limits. Change live on a NIC that has a tap on the host, which one of others may not.
          - libvirt has the kernel count a kilobyte as 1000 bytes here, so the limit is 2.3 % below
            what is written.
        type: dict
        suboptions:
          inbound:
            description: Of what the VM receives.
            type: dict
            suboptions:
              average:
                description:
                  - Bytes a second in the long run, such as V(10MiB), a multiple of 1 KiB. V(0B)
                    takes the limit away.
                type: str
              peak:
                description: Bytes a second for a short time. V(0B) takes it away.
                type: str
              burst:
                description: Bytes at peak speed, such as V(512KiB). V(0B) takes it away.
                type: str
          outbound:
            description: Of what the VM sends.
            type: dict
            suboptions:
              average:
                description:
                  - Bytes a second in the long run, such as V(10MiB), a multiple of 1 KiB. V(0B)
                    takes the limit away.
                type: str
              peak:
                description: Bytes a second for a short time. V(0B) takes it away.
                type: str
              burst:
                description: Bytes at peak speed, such as V(512KiB). V(0B) takes it away.
                type: str
  channels:
    description:
      - Virtio channels between the guest and a socket on the host. They come and go by hotplug
        where the VM runs with a channel already.
      - That of the guest agent is a matter of O(agent).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the channel in the guest, below C(/dev/virtio-ports). Several that others gave
            one name are told apart by a number, V(org.example.app#2).
        type: str
        required: true
      path:
        description:
          - Path of the socket on the host. libvirt chooses one where none is given. The VM listens
            on it, unless others made the channel and said that it connects.
        type: str
      state:
        description:
          - Whether the VM has the channel.
        type: str
        choices: [present, absent]
        default: present
  agent:
    description:
      - Whether the VM has the channel of the QEMU guest agent, C(org.qemu.guest_agent.0). The
        agent itself is a program in the guest.
    type: bool
  serial:
    description:
      - The serial port, which is also the console.
    type: dict
    suboptions:
      type:
        description:
          - V(pty) is what C(virsh console) connects to; V(file) writes to a file, V(unix) listens
            on a socket, at O(serial.path). A new VM has V(pty).
        type: str
        choices: [pty, file, unix, none]
      path:
        description:
          - Path of the file or the socket on the host.
        type: str
  graphics:
    description:
      - The screen over the network.
    type: dict
    suboptions:
      type:
        description:
          - Its protocol. A new VM has V(none).
        type: str
        choices: [vnc, spice, none]
      listen:
        description:
          - Address of the host to listen on. Where none is given it is that of libvirt's
            C(qemu.conf), which is 127.0.0.1 unless it was changed.
        type: str
      port:
        description:
          - TCP port to listen on. V(-1) lets libvirt choose one at each start, as for a new VM.
          - No two VMs that run can have the same, whatever they listen on.
        type: int
  video:
    description:
      - The graphics card. Where graphics come to a VM that has none, one of libvirt's choice comes
        with them, and stays when they go.
    type: str
    choices: [virtio, vga, qxl, cirrus, bochs, none]
  rng:
    description:
      - Where the guest's random numbers come from. A new VM has V(/dev/urandom).
    type: str
    choices: [/dev/urandom, /dev/random, /dev/hwrng, none]
  rngs:
    description:
      - Further sources of random numbers, beside O(rng), each a device of its own. They come and go
        by hotplug.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the device, by which it is found again.
        type: str
        required: true
      path:
        description:
          - The file of the host that the numbers come from. A new one has V(/dev/urandom).
        type: str
      rate:
        description: How much the guest may take.
        type: dict
        suboptions:
          bytes:
            description: So many bytes in each period. V(0) takes the limit away.
            type: int
          period_ms:
            description: Length of the period in milliseconds. libvirt's default is 1000.
            type: int
      state:
        description: Whether the VM has the device.
        type: str
        choices: [present, absent]
        default: present
  inputs:
    description:
      - Tablets, keyboards and mice on USB or virtio. They come and go by hotplug. Those of PS/2,
        which libvirt adds to a screen, are no matter of this option.
      - What others made is known by what it is, V(tablet-usb), and the second of several as
        V(tablet-usb#2).
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the device, by which it is found again.
        type: str
        required: true
      type:
        description: What it is. A new one needs it.
        type: str
        choices: [tablet, keyboard, mouse]
      bus:
        description: What it is connected to. A new one is on V(usb).
        type: str
        choices: [usb, virtio]
      state:
        description: Whether the VM has the device.
        type: str
        choices: [present, absent]
        default: present
  sound:
    description:
      - The sound card. V(virtio) needs libvirt 10.4 and QEMU 8.2 on the host.
      - Where others gave the VM several, it is the first; V(none) takes all of them away.
    type: str
    choices: [ich9, ich7, ich6, ac97, es1370, sb16, pcspk, usb, virtio, none]
  panic:
    description:
      - The device by which a guest tells that its kernel has crashed, so that O(on_crash) takes
        effect. V(pvpanic) is on PCI and needs libvirt 9.1 on the host, V(isa) has a driver in every
        Linux.
    type: str
    choices: [isa, pvpanic, hyperv, pseries, s390, none]
  vsock:
    description:
      - Sockets between the guest and its host, without a network. The host's kernel needs the
        module C(vhost_vsock).
    type: dict
    suboptions:
      cid:
        description:
          - The number by which the host reaches the guest, from V(3) on. V(auto) has libvirt choose
            one at each start, V(none) takes the device away.
        type: str
  watchdog:
    description:
      - The watchdog.
    type: dict
    suboptions:
      model:
        description:
          - Its device. V(none) takes it away.
          - A q35 machine has V(itco) by itself. From libvirt 9.1 on that is in its definition and
            never goes, so that V(none) means no other than that.
        type: str
        choices: [i6300esb, itco, ib700, none]
      action:
        description: What happens when the guest stops to feed it.
        type: str
        choices: [reset, shutdown, poweroff, pause, dump, inject-nmi, none]
  tpm:
    description:
      - A TPM, emulated by swtpm, which has to be installed on the host.
    type: dict
    suboptions:
      model:
        description: Its interface. V(none) takes it away.
        type: str
        choices: [tpm-crb, tpm-tis, none]
      version:
        description: The version of its specification. libvirt's choice where none is given.
        type: str
        choices: ["2.0", "1.2"]
  cloud_init:
    description:
      - What cloud-init finds in the guest when it boots, as a seed of its data source NoCloud. That
        is a volume with the label C(cidata), which is made on the machine where the module runs, by
        the program C(xorriso), and is in the drive C(cloud-init), on a bus that the machine has.
      - The declaration is the whole seed. What it does not name is in none. Omitted, the seed stays
        as it is. An empty one, V({}), takes it away with its volume and its drive; a VM that runs
        keeps the drive, empty.
      - Another content is another volume, which takes the place of the former one in the drive,
        live, and that is removed. A guest that has run with the C(instance-id) of the seed takes
        up nothing of it; see O(cloud_init.rerun).
      - The seed is C(VM-cidata.iso) in a pool of the VM, or C(VM-cidata-2.iso) and so on where
        something else has that name, which is never written to. It goes with its VM. Where others
        wrote to it, or removed it, it is made anew. One that another VM has too, as a clone of this
        one, stays. So does one that a snapshot of the VM has, until the first run after the
        snapshot is gone. Of memory that was saved to a file of one's own (C(virsh save)) libvirt
        does not tell.
      - Which volume it is and what it was made of is noted in the VM's metadata, with
        what is shown in plans. Of O(cloud_init.password_hash), O(cloud_init.user_data),
        O(cloud_init.vendor_data), O(cloud_init.meta_data) and O(cloud_init.network_config) that is
        C((hidden)), and C((hidden, another)) where they change; the note has a token of 16 bits of
        each in its place. One in 65,536 other contents is taken for the same.
      - It is checked before the first change for what it says twice, for addresses and headers, and
        that a cloud-config is YAML; the last only where Python has C(yaml) on the machine where the
        module runs. It is not checked against the schema of cloud-init, for which there is
        C(cloud-init schema --config-file).
    type: dict
    version_added: "0.2.0"
    suboptions:
      hostname:
        description:
          - Name of the guest. Where nothing says one, it is that of the VM, if that can be one.
        type: str
      user:
        description:
          - A user who is made, with C(/bin/bash), and may do all by C(sudo) without a password. The
            one that the image would make by itself is not made then.
        type: str
      ssh_keys:
        description:
          - Public keys by which O(cloud_init.user) can log in, or where none is said the user that
            the image makes by itself.
        type: list
        elements: str
      password_hash:
        description:
          - Hash of the password of O(cloud_init.user), such as C(openssl passwd -6) makes. Without
            it the password is locked.
        type: str
      nics:
        description:
          - Addresses of NICs, each of which is found by its MAC address, and gets the name of the
            NIC in the guest. They become a network configuration of version 1. NICs that are not
            named here are left alone by cloud-init.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of a NIC of the VM.
            type: str
            required: true
          address:
            description:
              - Address with the length of its network, such as V(192.0.2.10/24), or V(dhcp), or a
                list of such. One that is outside of the networks in which the vswitch itself is,
                or that another VM's seed gives on the same vswitch, is an error.
            type: list
            elements: str
          gateway:
            description: Router, or one of IPv4 and one of IPv6.
            type: list
            elements: str
          dns:
            description: Addresses of name servers.
            type: list
            elements: str
          search:
            description: Domains in which names are looked for.
            type: list
            elements: str
      user_data:
        description:
          - What is to be done in the guest. A mapping is a cloud-config, and can be beside the
            options above where it does not say the same. A text begins as cloud-init knows it, such
            as C(#cloud-config), C(#!) or C(Content-Type:).
        type: raw
      vendor_data:
        description: The same of whoever made the image; a user's wins.
        type: raw
      meta_data:
        description:
          - More of the meta-data, of which O(cloud_init.hostname) and the C(instance-id) are made
            by themselves. An C(instance-id) here is taken as it is.
        type: dict
      network_config:
        description: Network configuration, of version 1 or 2, in place of O(cloud_init.nics).
        type: dict
      rerun:
        description:
          - Whether a seed gets another C(instance-id) when it changes, so that a guest that has run
            takes it up when it boots, as if it were a new one. It makes new host keys of ssh then,
            too. Where it is said for the first time of a guest whose seed stays the same, it gets
            another one once.
          - The first one is the VM's name. It stays where this is V(false).
        type: bool
        default: false
      detach:
        description:
          - Whether the medium is taken out, and its volume removed, once a guest is up that was
            started with it. That is done by the next run that finds it so. The drive stays, empty.
          - V(after_boot) needs O(agent), by which it is seen that the guest is up.
          - A VM whose seed is on storage of its host alone does not migrate as long as it is
            attached.
        type: str
        choices: [never, after_boot]
        default: never
      pool:
        description:
          - Storage pool of the seed. It holds files, as those of the types dir, fs and netfs do. By
            default it is that in which the seed is, or the first one of such in which the VM has a
            disk.
        type: str
      bus:
        description:
          - What the drive is connected to. A new one is on V(ide) of a machine C(pc), and on
            V(scsi), by virtio, of any other. A q35 has V(sata) too, for which the kernels of many
            cloud images have no driver, such as Debian's genericcloud. Windows without drivers for
            virtio needs it.
        type: str
        choices: [sata, scsi, ide, usb]
  extra_xml:
    description:
      - Elements of libvirt's domain XML that no option is about, as they stand below C(<domain>).
        Put what belongs into C(<devices>) or C(<features>) inside such an element; it is added to
        those that are there.
      - They are recorded in the VM's metadata, with what libvirt makes of them, such as other units
        and addresses. Another value takes the earlier ones out again, an empty string all of them,
        and values that were there before come back. What others put in stays.
      - libvirt checks them against its schema, and what it would not keep is refused. So is what an
        option is for.
      - Passwords in them, of graphics, of QEMU's objects, cookies of disks and the like, are given
        to libvirt and shown nowhere. Results and plans have C((hidden)) in their place, and
        C((hidden, another)) where one changes. The record in the metadata, which everybody may
        read, cannot tell them. So a password that stood in a place before does not come back when
        that of O(extra_xml) is taken out; the latter stays, with a warning, since a screen without
        a password would be worse.
    type: str
  apply:
    description:
      - What may happen to a VM that runs.
      - V(live) changes what can be changed at once, stores the rest, and returns it in
        RV(pending_restart).
      - V(next_boot) only stores changes.
      - V(restart) also shuts the VM down, as O(shutdown) says, and starts it again when something
        waits for that. Without such changes it does not. A run that is interrupted between the two
        leaves a mark in the VM's metadata, and the next one starts the VM.
      - The image of a saved VM cannot be changed. What changes waits until it has been restored and
        restarted. With O(state=running) it is restored first, and then changed as one that runs.
    type: str
    choices: [live, next_boot, restart]
    default: live
  wait_for:
    description:
      - What to wait for once all is done, where the VM is to run. Where it is not, nothing is
        waited for, and what is there already is not waited for long.
      - V(address) is an address of one of its NICs, from a DHCP server, from its guest agent or in
        the ARP table of the host. A lease that is left from an earlier start does not count, an
        entry in the ARP table may be. An address that is only kept for it counts for V(ssh) alone.
      - V(agent) is an answer of its guest agent, for which it needs O(agent).
      - V(ssh) is an sshd that answers on port 22 of one of its addresses, those included that a
        vswitch keeps for it or O(cloud_init) gives it, as seen from where the module runs.
      - What does not come in time fails the task, with what was seen of the VM, which is made all
        the same. So does a VM that ends meanwhile. In check mode RV(wait) and the end of
        RV(summary) say what would be waited for.
    type: str
    choices: [address, agent, ssh]
  wait_timeout_s:
    description: How long to wait for what O(wait_for) says, in seconds.
    type: int
    default: 300
  purge:
    description:
      - Whether disks, CD-ROMs, NICs and channels are taken from the VM that are not in their list.
        It concerns the lists that are given, be they empty; a list that is omitted stays as it is.
    type: bool
    default: false
  remove_storage:
    description:
      - Whether the volumes of the VM's disks are deleted with it by O(state=absent). That is every
        volume in a storage pool that the stored definition names, except CD-ROMs, and disks that
        are read-only or shareable. Without it they stay.
      - The variables of its UEFI firmware and the state of its TPM go too, and so does the memory
        of a VM that is saved, which is then not started again. What cannot go is in the plan with
        the reason, such as an NVRAM that another VM uses too, or a disk that is in no pool.
      - libvirt before 8.9 cannot keep the state of a TPM. The plan says so.
      - Of a VM with snapshots the overlays go together with what is below them, as far as libvirt's
        record of snapshots says that it was the VM's own. Where it does not say, and where one of
        them is in no pool, that is an error. What a linked clone stands on stays.
      - A volume that another VM uses is an error, and nothing is removed.
    type: bool
    default: false
extends_documentation_fragment:
  - kvm.fleet.common.plans
  - kvm.fleet.common.vms
  - kvm.fleet.common.admission
  - kvm.fleet.common.attributes
seealso:
  - module: kvm.fleet.vm_info
  - module: kvm.fleet.host_config
  - module: kvm.fleet.storage_volume
  - module: kvm.fleet.vswitch
"""

EXAMPLES = r"""
- name: A VM with an empty disk that installs itself from a medium
  kvm.fleet.vm:
    name: installer
    state: running
    cpu: {count: 2}
    memory: {size: 2GiB}
    disks:
      - {name: root, pool: images, capacity: 20GiB, boot_order: 1}
    cdroms:
      - {name: medium, file: /srv/images/debian-12-netinst.iso, boot_order: 2}
    nics:
      - {name: lan, vswitch: lan}

- name: A linked clone of an image, on a vswitch behind NAT
  kvm.fleet.vm:
    name: web
    state: running
    autostart: true
    cpu: {count: 2, maximum: 8}
    memory: {size: 2GiB, maximum: 8GiB}
    agent: true
    disks:
      - name: root
        pool: images
        backing: {volume: debian-12.qcow2}
        capacity: 20GiB
    nics:
      - {name: lan, vswitch: lan, port_group: normal}

- name: A clone of a cloud image, with a user, a key and an address
  kvm.fleet.vm:
    name: web
    state: running
    memory: {size: 1GiB}
    agent: true
    disks:
      - {name: root, pool: images, backing: {volume: debian-12.qcow2}, capacity: 20GiB}
    nics:
      - {name: lan, vswitch: lan}
    cloud_init:
      hostname: web.example.com
      user: ops
      ssh_keys:
        - "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
      nics:
        - name: lan
          address: 192.168.50.10/24
          gateway: 192.168.50.1
          dns: [192.168.50.1]
      user_data:
        packages: [qemu-guest-agent]
        runcmd: [systemctl start qemu-guest-agent]
      detach: after_boot

- name: Another seed, which the guest takes up when it boots next
  kvm.fleet.vm:
    name: web
    cloud_init:
      hostname: web.example.com
      user_data: "{{ lookup('ansible.builtin.file', 'web.cloud-config') }}"
      rerun: true

- name: A VM that the next play can configure
  kvm.fleet.vm:
    name: web
    state: running
    memory: {size: 1GiB}
    disks:
      - {name: root, pool: images, backing: {volume: debian-12.qcow2}}
    nics:
      - {name: lan, vswitch: lan}
    wait_for: ssh
  register: web

- name: Have the next play reach it
  ansible.builtin.add_host:
    name: web
    ansible_host: "{{ web.wait.address }}"

- name: UEFI with secure boot, and a TPM
  kvm.fleet.vm:
    name: sealed
    firmware: efi
    secure_boot: true
    tpm: {model: tpm-crb, version: "2.0"}
    memory: {size: 4GiB}
    disks:
      - {name: root, pool: images, capacity: 20GiB}

- name: More vCPUs and memory while it runs
  kvm.fleet.vm:
    name: web
    cpu: {count: 4}
    memory: {size: 4GiB}

- name: One more disk, with limits
  kvm.fleet.vm:
    name: web
    disks:
      - name: data
        pool: images
        capacity: 100GiB
        discard: unmap
        limits: {total_iops: 2000, total_bandwidth: 100MiB}

- name: Take that disk away; its volume stays
  kvm.fleet.vm:
    name: web
    disks:
      - {name: data, state: absent}

- name: Exactly these NICs, and no others
  kvm.fleet.vm:
    name: web
    purge: true
    nics:
      - {name: lan, vswitch: lan, link: up}

- name: Eject the medium
  kvm.fleet.vm:
    name: installer
    cdroms:
      - {name: medium, file: ""}

- name: Another model of CPU, at once though that takes a restart
  kvm.fleet.vm:
    name: web
    cpu: {mode: host-passthrough}
    apply: restart

- name: Shut down, and switch off what does not answer for five minutes
  kvm.fleet.vm:
    name: web
    state: stopped
    shutdown: {timeout_s: 300, on_timeout: power_off}

- name: A device and a setting that no option is about
  kvm.fleet.vm:
    name: web
    extra_xml: |
      <devices>
        <vsock model="virtio"><cid auto="yes"/></vsock>
      </devices>
      <memoryBacking><source type="memfd"/><access mode="shared"/></memoryBacking>

- name: No such VM, and nothing left of its disks
  kvm.fleet.vm:
    name: web
    state: absent
    remove_storage: true
"""

RETURN = r"""
summary:
  description: The plan in one line, as it ends RV(diff); how many changes of which class, what is
    restarted, what waits for a restart, and what is removed.
  returned: always
  type: str
  sample: "plan: 3 changes (2 live, 1 restart); waits for a restart: vm/web"
made_from:
  description:
    - By what the plan can be known again, of each resource that would be changed; for O(expect).
  returned: in check mode
  type: dict
  contains:
    digest:
      description: A digest of all that the plan was made from, and of the plan.
      type: str
    facts:
      description: The digest of each fact that the plan was made from.
      type: dict
    plan:
      description: The digest of the rows of RV(plan).
      type: str
  sample:
    vm/web:
      digest: 1f0d8ae2b3c94a5d9d1c6a3c5f2e7b80
      facts: {"vm web": 8c1f2d3e4b5a6978}
      plan: 0a1b2c3d4e5f6071
plan:
  description:
    - All that changes, in check mode all that would change, also of volumes that disks bring.
  returned: always
  type: list
  elements: dict
  contains:
    resource:
      description: What is changed.
      type: str
      returned: always
      sample: vm/web
    field:
      description: The option; a disk or NIC that comes or goes is one field with its options.
      type: str
      returned: always
      sample: cpu.count
    before:
      description: Its value as it was stored.
      type: raw
      returned: always
      sample: 2
    after:
      description: Its value as it will be; V(kept) of data that stays though its VM goes.
      type: raw
      returned: always
      sample: 4
    live:
      description: Its value in the VM that runs, where that is another than the stored one.
      type: raw
      returned: when it differs
      sample: 1
    class:
      description:
        - V(live) takes effect now, V(hotplug) too, as a device that comes or goes, V(restart) when
          the VM is next powered on. V(stored) is a change of the definition that needs no effect on
          what runs.
      type: str
      returned: always
      sample: live
    note:
      description: What else happens, such as the steps to another power state.
      type: str
      returned: when there is something to say
      sample: shutdown
diff:
  description: The same as a before and after in YAML, for each thing that changes, and RV(summary).
  returned: always
  type: list
  elements: dict
pending_restart:
  description:
    - Fields in which what is stored will differ from what runs, as in RV(plan). RV(plan[].before)
      is what runs, RV(plan[].after) what is stored.
  returned: always
  type: list
  elements: dict
  sample:
    - {resource: vm/web, field: cpu.maximum, before: 4, after: 8, class: restart}
vm:
  description: The VM as it is stored, in the terms of the options, its UUID and its state.
  returned: success
  type: dict
  sample:
    name: web
    uuid: 5c3a9b7e-6f0f-5d38-9d6c-9a6f7c1f0c55
    managed: true
    state: running
    autostart: true
    persistent: true
    virt_type: kvm
    machine: pc-q35-7.2
    firmware: bios
    cpu: {count: 2, maximum: 8, mode: host-model}
    memory: {size: 2GiB, maximum: 8GiB, balloon: virtio, balloon_stats_period_s: 0}
    disks:
      - name: root
        file: /var/lib/libvirt/images/web-root.qcow2
        bus: virtio
        format: qcow2
    nics:
      - {name: lan, vswitch: lan, mac: "52:54:00:2a:77:91", model: virtio, link: up}
wait:
  description: What was waited for, or would be in check mode, as O(wait_for) says.
  returned: where something is waited for
  type: dict
  contains:
    for:
      description: What it is.
      type: str
      returned: always
      sample: ssh
    timeout_s:
      description: How long it may take, in seconds.
      type: int
      returned: always
      sample: 300
    address:
      description: The address by which the VM is reached, null where it has none.
      type: str
      returned: where it was waited for
      sample: 192.168.50.117
    addresses:
      description: All its addresses, as M(kvm.fleet.vm_info) tells them, also those kept for it.
      type: list
      elements: dict
      returned: where it was waited for
    guest_agent:
      description: The state of its guest agent, as M(kvm.fleet.vm_info) tells it.
      type: str
      returned: where it was waited for
      sample: connected
    waited_s:
      description: How long it took, in seconds.
      type: float
      returned: where it was waited for
      sample: 21.4
errors:
  description: Every mistake in the declaration, or what failed.
  returned: failure
  type: list
  elements: str
  sample: ["vm/web memory.size: 16GiB is above memory.maximum, which is 8GiB"]
warnings:
  description: What to know about the plan, such as what it takes for granted.
  returned: when there is something to say
  type: list
  elements: str
  sample: ["vm/web: the vswitch lan does not exist yet; the plan assumes that it will"]
"""

from ..module_utils.kinds.storage_volume.kind import KIND as STORAGE_VOLUME
from ..module_utils.kinds.vm.going import volumes_that_go
from ..module_utils.kinds.vm.kind import KIND as VM
from ..module_utils.run.module import ADMISSION_SPEC, CHANGES_SPEC, create_module
from ..module_utils.run.planning import Promising, Rule
from ..module_utils.run.runner import Waiting, run


def _rules_of_changes() -> tuple[Rule, ...]:
    from ..module_utils.kinds.together.vm_rules import RULES

    return RULES


def _promising() -> Promising:
    from ..module_utils.run import promising

    return promising


def _waiting() -> Waiting:
    from ..module_utils.run.waiting import waiting

    return waiting


def main() -> None:
    module = create_module({**CHANGES_SPEC, **ADMISSION_SPEC, **VM.spec()})
    run(
        module,
        kinds=(STORAGE_VOLUME, VM),
        parse=VM.parse,
        shown=VM.name,
        rules_of_changes=_rules_of_changes,
        promising=_promising,
        waiting=_waiting,
        more=volumes_that_go,
    )


if __name__ == "__main__":
    main()
