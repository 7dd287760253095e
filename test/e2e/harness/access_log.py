"""Reads the access log as an administrator's tool would: fields by the name the header gives them."""
import json
import pathlib


def read(path):
    """[{field: text}] of all complete lines; a line that breaks the format fails the test."""
    path = pathlib.Path(path)
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8")  # what clients sent is escaped, so this never fails
    entries, names = [], None
    for line in text.split("\n")[:-1]:
        if line.startswith("#"):
            if line.startswith("#Fields:"):
                names = line.removeprefix("#Fields:").split()
        elif line.startswith("{"):
            entries.append(json.loads(line))
        else:
            assert names, f"a line before #Fields: {line!r}"
            values = line.split("\t")
            assert len(values) == len(names), f"{len(values)} values for {len(names)} fields: {line!r}"
            entries.append(dict(zip(names, values)))
    return entries
