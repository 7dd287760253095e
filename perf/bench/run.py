"""Runs the workloads against the peers in interleaved rounds, and writes perf/results."""
import argparse
import contextlib
import datetime
import json
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
sys.path[:0] = [str(REPOSITORY / "test/e2e"), str(HERE.parent)]

from bench import peers, report, workloads  # noqa: E402
from bench.origin import Origin  # noqa: E402
from harness import certificates, folders  # noqa: E402
from harness.addresses import free_port  # noqa: E402
from harness.configuration import PUBLIC_NAME, SITE  # noqa: E402

ALONE, BOTH = peers.PROXY_CORE, f"{peers.PROXY_CORE},{peers.LOAD_CORE}"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=REPOSITORY / "build/perf", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--seconds", default=4, type=int, help="of each measurement")
    parser.add_argument("--clients", default=10_000, type=int, help="that are idle")
    parser.add_argument("--workloads", help="comma-separated, all when absent")
    parser.add_argument("--peers", help="comma-separated, all when absent")
    parser.add_argument("--results", default=REPOSITORY / "perf/results", type=pathlib.Path)
    return parser.parse_args()


def chosen(text, known):
    if not text:
        return list(known)
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in known:
            sys.exit(f"'{word}' is not one of: {', '.join(known)}")
    return words


def public_key_infrastructure(folder):
    """P-256 certificates: the root, the listeners' and the origin's."""
    authority = certificates.authority()

    class Pki:
        root = authority.write(folder, "root")
        public = authority.issue(PUBLIC_NAME).write(folder, "public")
        pool = authority.issue(SITE, addresses=["127.0.0.1"]).write(folder, "pool")
    for file in folder.iterdir():
        file.chmod(0o644)
    return Pki


def contenders(chosen_peers):
    """(name, class, workers, cores) of each cell of a round."""
    return [(kind.name, kind, 1, ALONE) for kind in peers.PEERS if kind.name in chosen_peers]


def variants():
    """What ocsproxy is compared with itself for: its log's price, and a second worker's."""
    return [(peers.OcsproxyWithLog.name, peers.OcsproxyWithLog, 1, ALONE),
            ("ocsproxy, one worker on both cores", peers.Ocsproxy, 1, BOTH),
            ("ocsproxy, two workers on both cores", peers.Ocsproxy, 2, BOTH)]


def measure(workload, kind, folder, pki, origin, seconds, workers, cores):
    with kind(folder, pki, free_port("127.0.0.1"), origin.port, workers, cores) as peer:
        return workloads.WORKLOADS[workload](peer, origin, seconds)


def rounds(arguments, pki, base):
    names = chosen(arguments.workloads, workloads.WORKLOADS)
    cells = contenders(chosen(arguments.peers, [kind.name for kind in peers.PEERS]))
    counter = 0
    with Origin(base / "origin", pki) as origin:
        for number in range(arguments.rounds):
            for workload in names:
                here = cells + (variants() if workload == "1 KiB" and not arguments.peers
                                else [])
                # Who is first changes, so that none has the quiet half of every round.
                here = here[number % len(here):] + here[:number % len(here)]
                for name, kind, workers, cores in here:
                    counter += 1
                    row = {"round": number, "workload": workload, "peer": name}
                    try:
                        row.update(measure(workload, kind, base / f"peer{counter}", pki, origin,
                                           arguments.seconds, workers, cores))
                    except (workloads.Failed, AssertionError) as error:
                        row["failed"] = str(error)[:500]
                    print(json.dumps(row), flush=True)
                    yield row


def machine():
    model = next((line.split(":")[1].strip() for line in
                  pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return {"cpu": model, "kernel": platform.release(),
            "openssl": peers.first_line("openssl", "version")}


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", REPOSITORY, *words], capture_output=True, text=True,
                              check=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!perf/results")
    return git("rev-parse", "HEAD") + (" with changes" if changed else "")


def main():
    arguments = options()
    workloads.IdleClients.count = arguments.clients
    peers.Ocsproxy.binary = arguments.build / "app/ocsproxy"
    workloads.Loader.binary = str(arguments.build / "perf/loader")
    with contextlib.ExitStack() as stack:
        base = stack.enter_context(folders.public_folder("ocsproxy-perf-"))
        rows = list(rounds(arguments, public_key_infrastructure(base), base))
    results = {
        "commit": commit(), "date": datetime.date.today().isoformat(), "machine": machine(),
        "versions": {kind.name: kind.version() for kind in peers.PEERS},
        "seconds": arguments.seconds, "rounds": arguments.rounds, "rows": rows}
    report.write(results, arguments.results)
    failed = [row for row in rows if "failed" in row]
    for row in failed:
        print(f"failed: {row['peer']}, {row['workload']}: {row['failed']}", file=sys.stderr)
    # A peer that fails here and there is its own affair; one that never works, ours.
    served = {row["peer"] for row in rows if "failed" not in row}
    ours = [row for row in failed if row["peer"].startswith(peers.Ocsproxy.name)]
    return 1 if ours or any(row["peer"] not in served for row in failed) else 0


if __name__ == "__main__":
    sys.exit(main())
