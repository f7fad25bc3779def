# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine has to know to account for the edits of a pool."""

from __future__ import annotations

from ...engine.accounting import Books, Consequence, Part
from .table import ROWS

BOOKS = Books(
    lambda pool: [Part(ROWS, pool)],
    (
        Consequence(
            "source.auth.secret_uuid",
            ("source/auth/secret/@uuid",),
            ("source.auth.secret",),
            "libvirt takes a secret by its UUID or by its usage, not both",
        ),
    ),
)
