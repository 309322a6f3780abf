"""Which samples are tried: the same each time, so that a change alone can break a test; others each night."""

from __future__ import annotations

import os

DAY = int(os.environ.get("CRATON_TEST_DAY", "0"))
