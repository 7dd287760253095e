"""What processes have used, from /proc."""
import pathlib


def cpu_microseconds(pids):
    """Of all threads of `pids`, since they began; the kernel counts nanoseconds."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except FileNotFoundError:
                pass  # it ended meanwhile
    return total / 1000


def memory_kib(pids):
    """Proportional set size: what is shared is counted once."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total
