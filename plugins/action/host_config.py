# Copyright: (c) 2026, kvm.fleet contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of host_config: it confirms changes of switches."""

from __future__ import annotations

from ..plugin_utils.confirming import Confirms


class ActionModule(Confirms):
    """As the module of this name says."""
