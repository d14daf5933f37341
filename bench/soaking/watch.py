"""What a process holds, and how that changes."""
import asyncio
import time
from pathlib import Path

EVERY = 2


def resident(pid):
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no memory: it has ended")


def descriptors(pid):
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def threads(pid):
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


async def memory(scene, end):
    """Pairs of seconds since the beginning and resident MiB."""
    began, samples = time.monotonic(), []
    while time.monotonic() < end:
        samples.append((time.monotonic() - began, resident(scene.pid)))
        await asyncio.sleep(EVERY)
    return samples


def slope(samples):
    """MiB an hour of the straight line with the least squares."""
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(size for _, size in samples) / len(samples)
    above = sum((at - middle) * (size - mean) for at, size in samples)
    below = sum((at - middle) ** 2 for at, _ in samples)
    return above / below * 3600
