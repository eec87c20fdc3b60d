"""What a record of tests/gpu.sh says of the card and of its host."""

import os
import subprocess
from pathlib import Path


def nvidia_smi():
    """What the driver says of the card, or nothing."""
    fields = ("name", "driver_version", "memory.total", "compute_cap", "pcie.link.gen.max")
    fields += ("pcie.link.width.max", "clocks.max.sm", "clocks.max.mem", "power.limit")
    try:
        out = subprocess.run(
            ["nvidia-smi", "--query-gpu=" + ",".join(fields), "--format=csv,noheader", "--id=0"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    values = (value.strip() for value in out.strip().splitlines()[0].split(","))
    return dict(zip((field.replace(".", "_") for field in fields), values, strict=False))


def host():
    """The host of the card."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "threads": os.cpu_count(),
        "memory_bytes": memory,
    }
