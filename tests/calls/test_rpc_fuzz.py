"""A short run of the fuzzer, which `make fuzz` runs for ten million frames."""

from __future__ import annotations

import re
import subprocess
import sys


def test_a_hundred_thousand_hostile_frames_break_nothing_and_a_healthy_peer_is_answered_after_each_session() -> None:
    command = [sys.executable, "-m", "fuzz.rpc", "--frames", "100000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"^([\d,]+) frames in", done.stdout, re.MULTILINE)
    assert int(told[-1].replace(",", "")) >= 100_000
