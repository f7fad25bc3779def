# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of kvm.fleet: KVM hosts as QEMU processes, for tests. See docs/lab.md.

It needs Python 3.9 and PyYAML: what Ansible brings along.
"""
