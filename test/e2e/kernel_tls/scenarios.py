"""What is tried under a kernel that has TLS: python3 scenarios.py RESULTS [NAME...]

Each scenario drives the real program between a real client and a real origin, and proves by the
body's digest, /proc/net/tls_stat and the access log whose records the kernel had. RESULTS gets
{name: "" or what went wrong}.
"""
import json
import pathlib
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness import folders  # noqa: E402
from kernel_tls import bodies, cuts, ends, not_data  # noqa: E402,F401  # pylint: disable=unused-import
from kernel_tls.bench import SCENARIOS, make_pki  # noqa: E402


def main():
    results = {}
    with folders.public_folder() as base:
        (base / "pki").mkdir(mode=0o755)
        pki = make_pki(base / "pki")
        for name in sys.argv[2:] or SCENARIOS:
            try:
                SCENARIOS[name](pki, base / name)
                results[name] = ""
            except Exception:  # pylint: disable=broad-except  # whatever it is, it is reported
                results[name] = traceback.format_exc()
            pathlib.Path(sys.argv[1]).write_text(json.dumps(results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
