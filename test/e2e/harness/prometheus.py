"""A strict reader of Prometheus' text format, version 0.0.4, written from its description.

It refuses what the real one forgives: samples that come before what they are, or apart from their
like, a series twice, a counter that is not called one.
"""
import dataclasses
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
VALUE = re.compile(r"[0-9]+(\.[0-9]+)?")
UNESCAPED = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


class Malformed(AssertionError):
    pass


@dataclasses.dataclass
class Metrics:
    types: dict    # name -> "counter" or "gauge"
    series: dict   # (name, labels as a sorted tuple of pairs) -> value

    def value(self, name, **labels):
        return self.series[name, tuple(sorted(labels.items()))]

    def counters(self):
        return {series: value for series, value in self.series.items()
                if self.types[series[0]] == "counter"}


def _labels(text, line):
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match:
            raise Malformed(f"not a label: {line!r}")
        found.append((match[1], re.sub(r"\\.", lambda escape: UNESCAPED[escape[0]], match[2])))
        at = match.end()
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                raise Malformed(f"labels are not separated by single commas: {line!r}")
            at += 1
    if len({name for name, _ in found}) != len(found):
        raise Malformed(f"a label twice: {line!r}")
    return tuple(sorted(found))


def parse(text):
    if not text.endswith("\n"):
        raise Malformed("the last line does not end")
    metrics, helped, current = Metrics({}, {}), [], None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, space, words = line[7:].partition(" ")
            if not NAME.fullmatch(name) or not space or not words.strip() or name in helped:
                raise Malformed(f"HELP: {line!r}")
            if helped and helped[-1] not in {series for series, _ in metrics.series}:
                raise Malformed(f"{helped[-1]} has no sample")
            helped.append(name)
            current = None
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if not helped or name != helped[-1] or name in metrics.types:
                raise Malformed(f"TYPE without the HELP before it: {line!r}")
            if kind not in ("counter", "gauge") or name.endswith("_total") != (kind == "counter"):
                raise Malformed(f"TYPE: {line!r}")
            metrics.types[name] = kind
            current = name
        else:
            sample = re.fullmatch(r"([^ {]+)(?:\{(.*)\})? ([^ ]+)", line)
            if not sample or not VALUE.fullmatch(sample[3]):
                raise Malformed(f"not a sample: {line!r}")
            if sample[1] != current:
                raise Malformed(f"a sample apart from its like: {line!r}")
            series = sample[1], _labels(sample[2] or "", line)
            if series in metrics.series:
                raise Malformed(f"a series twice: {line!r}")
            metrics.series[series] = float(sample[3])
    if helped and (current is None or current not in {name for name, _ in metrics.series}):
        raise Malformed(f"{helped[-1]} has no sample")
    return metrics
