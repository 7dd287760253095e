#!/usr/bin/env python3
"""What kernel TLS and splicing cost, against the path through user space: CPU time of the proxy for
each MiB, in one boot of user-mode Linux. Its kernel has no fast ciphers (no AES-NI) and its system
calls are dear: what comes out says what a kernel without them makes of it, not what yours does.
"""
import json
import pathlib
import statistics
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "test/e2e"), str(HERE)]

from bench import usage  # noqa: E402
from harness import folders, user_mode_linux  # noqa: E402
from kernel_tls.bench import TLS1_2, TLS1_3, Bench, make_pki  # noqa: E402

ROUNDS, DOWNLOADS, MIB = 3, 5, 8
CASES = {
    "TLS 1.2 to TLS 1.2": (TLS1_2, TLS1_2),
    "plain to TLS 1.3": (TLS1_3, None),
    "TLS 1.3 to TLS 1.3": (TLS1_3, TLS1_3),
}


def cost(pki, folder, client, origin, kernel_tls):
    """CPU microseconds a MiB."""
    body = b"x" * (MIB << 20)
    folder.mkdir(mode=0o755)
    with Bench(pki, folder, lambda connection, _: connection.respond(body), client, origin,
               kernel_tls=kernel_tls) as bench:
        pids = [bench.proxy.process.pid]
        with bench.connect() as downloading:
            downloading.get("/")
            before = usage.cpu_microseconds(pids)
            for _ in range(DOWNLOADS):
                downloading.get("/")
            return (usage.cpu_microseconds(pids) - before) / (DOWNLOADS * MIB)


def inside(results):
    figures = {}
    with folders.public_folder() as base:
        (base / "pki").mkdir(mode=0o755)
        pki = make_pki(base / "pki")
        for number in range(ROUNDS):
            for name, (client, origin) in CASES.items():
                for kernel_tls in (False, True):
                    place = base / f"{number}-{name.replace(' ', '-')}-{kernel_tls}"
                    figures.setdefault(name, {}).setdefault(str(kernel_tls), []).append(
                        cost(pki, place, client, origin, kernel_tls))
    pathlib.Path(results).write_text(json.dumps(figures), encoding="utf-8")


def outside():
    """Writes perf/results/kernel_tls.md."""
    with tempfile.TemporaryDirectory(prefix="ocsproxy-perf-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        binary = HERE.parent / "build/perf/app/ocsproxy"
        status, output = user_mode_linux.run(
            folder, ["env", f"OCSPROXY_BINARY={binary}", sys.executable, __file__, folder / "figures"],
            seconds=550, memory="1G")
        if status != 0:
            sys.exit(output[-4000:])
        figures = json.loads((folder / "figures").read_text())
    lines = ["# Kernel TLS", "", " ".join(__doc__.split()), "",
             "| from the site to the client | user space, us/MiB | kernel, us/MiB | ratio |",
             "|---|---|---|---|"]
    for case, both in figures.items():
        user, kernel = both["False"], both["True"]
        ratios = sorted(k / u for k, u in zip(kernel, user))
        lines.append(f"| {case} | {statistics.median(user):.0f} | {statistics.median(kernel):.0f} | "
                     f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f}) |")
    text = "\n".join(lines) + "\n"
    (HERE / "results/kernel_tls.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    inside(sys.argv[1]) if len(sys.argv) > 1 else outside()
