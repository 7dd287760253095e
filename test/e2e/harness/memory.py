"""Looks for bytes in the memory of another process; for root."""
import re


def holds(pid, needles):
    """Which of `needles` (name -> bytes) are somewhere in its memory, by name."""
    found = set()
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, \
            open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, rights, what = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)",
                                                line).groups()
            if not rights.startswith("r") or what in ("[vvar]", "[vsyscall]"):
                continue
            try:
                memory.seek(int(begin, 16))
                content = memory.read(int(end, 16) - int(begin, 16))
            except (OSError, OverflowError, ValueError):
                continue  # reserved, and never touched
            found |= {name for name, needle in needles.items() if needle in content}
    return found
