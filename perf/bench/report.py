"""Results as JSON, as a Markdown table and as a chart; and what of them is comparable."""
import json
import statistics
from xml.sax.saxutils import escape

REFERENCE = "nginx"


def ratios(results, workload, peer, to=REFERENCE, figure="cost"):
    """The figure of `peer` over that of `to` in the same round, one a round that has both."""
    of = {(row["round"], row["peer"]): row[figure] for row in results["rows"]
          if row["workload"] == workload and figure in row}
    return [of[number, peer] / of[number, to] for number in range(results["rounds"])
            if (number, peer) in of and (number, to) in of]


def figures(results, workload, peer, figure):
    return [row[figure] for row in results["rows"]
            if row["workload"] == workload and row["peer"] == peer and figure in row]


def names(results, key):
    return list(dict.fromkeys(row[key] for row in sorted(results["rows"], key=lambda r: r["round"])))


def spread(values):
    if not values:
        return "–"
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def _median(values, digits=1):
    return f"{statistics.median(values):.{digits}f}" if values else "–"


def _table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def compared(results):
    """The peers of the side-by-side table; the others are variants of ocsproxy."""
    known = [name for name in results["versions"]]
    return [name for name in known if name in names(results, "peer")]


def markdown(results):
    peers, machine = compared(results), results["machine"]
    parts = [
        "# Side by side", "",
        f"Commit {results['commit']}, {results['date']}; {machine['cpu']}, Linux "
        f"{machine['kernel']}, {machine['openssl']}; "
        + ", ".join(results["versions"][peer] for peer in peers) + ".", "",
        f"CPU time of the proxy for the same work, relative to {REFERENCE} in the same round: median "
        f"of {results['rounds']} rounds of {results['seconds']} s, least and most in brackets. Lower "
        "is better. The proxy alone on one core, origin and load on the other; for idle clients it "
        "is memory.", "",
        _table(["workload", *peers],
               [[workload, *(spread(ratios(results, workload, peer)) for peer in peers)]
                for workload in names(results, "workload")]), "",
        "What it was in microseconds of CPU (KiB for idle clients), medians; this depends on the "
        "machine and its noise, the ratios hardly do:", "",
        _table(["workload", "for one", *peers],
               [[workload,
                 next((row["unit"] for row in results["rows"]
                       if row["workload"] == workload and "unit" in row), "–"),
                 *(_median(figures(results, workload, peer, "cost")) for peer in peers)]
                for workload in names(results, "workload")]), "",
    ]
    latency = [workload for workload in names(results, "workload")
               if figures(results, workload, peers[0], "p99_us")]
    if latency:
        parts += ["Latency, p99 relative to nginx's of the same round:", "",
                  _table(["workload", *peers],
                         [[workload, *(spread(ratios(results, workload, peer, figure="p99_us"))
                                       for peer in peers)] for workload in latency]), ""]
    variants = [name for name in names(results, "peer") if name not in peers]
    if variants:
        base = {"ocsproxy, two workers on both cores": "ocsproxy, one worker on both cores"}
        parts += ["ocsproxy against itself, CPU for each 1 KiB request:", "",
                  _table(["variant", "relative to", "ratio"],
                         [[name, base.get(name, "ocsproxy"),
                           spread(ratios(results, "1 KiB", name, base.get(name, "ocsproxy")))]
                          for name in variants if name not in base.values()]), ""]
    return "\n".join(parts)


COLOURS = ["#1f6feb", "#8b949e", "#d29922", "#a371f7"]


def chart(results):
    """Bars of the ratios; nginx is the line at 1."""
    peers, workloads = compared(results), names(results, "workload")
    bar, gap, left, scale = 14, 22, 150, 260
    height = len(workloads) * (bar * len(peers) + gap) + 60
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + scale * 2 + 80}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>']
    for index, peer in enumerate(peers):
        x = left + index * 120
        out.append(f'<rect x="{x}" y="14" width="12" height="12" '
                   f'fill="{COLOURS[index % len(COLOURS)]}"/>'
                   f'<text x="{x + 18}" y="25">{escape(peer)}</text>')
    y = 44
    for workload in workloads:
        out.append(f'<text x="{left - 10}" y="{y + bar * len(peers) / 2 + 4}" '
                   f'text-anchor="end">{escape(workload)}</text>')
        for index, peer in enumerate(peers):
            values = ratios(results, workload, peer)
            if values:
                value = statistics.median(values)
                width = min(value, 2) * scale
                out.append(f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{bar - 2}" '
                           f'fill="{COLOURS[index % len(COLOURS)]}"/>'
                           f'<text x="{left + width + 5:.1f}" y="{y + bar - 4}" '
                           f'font-size="10">{value:.2f}</text>')
            y += bar
        y += gap
    x = left + scale
    out.append(f'<line x1="{x}" y1="36" x2="{x}" y2="{y - gap + 4}" stroke="#444" '
               'stroke-dasharray="3 3"/></svg>')
    return "\n".join(out) + "\n"


def write(results, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(results), encoding="utf-8")
    (folder / "ratios.svg").write_text(chart(results), encoding="utf-8")
