#!/usr/bin/env python3
"""Holds the includes to the architecture: a folder includes itself and what stands below it.

Also: no two files include each other in a circle, a quoted include names a file that exists,
rules/ stays free of I/O, and no two headers define a type of the same name in one namespace: the
linker would take the functions of the one for those of the other, without a word. `--self-test` plants one violation of each kind and checks that it is seen.
"""
import pathlib
import re
import sys
import tempfile

# From the top down. A folder may include what stands to its right.
ORDER = ["app", "check", "listeners", "proxy", "tls", "net", "rules", "settings", "base"]
# lab/ stands beside check/: the program may start it, and it needs TLS and what a network needs.
MAY_INCLUDE = {folder: set(ORDER[place:]) for place, folder in enumerate(ORDER)}
MAY_INCLUDE["app"].add("lab")
MAY_INCLUDE["lab"] = {"lab", "tls", "net", "settings", "base"}

# What would give rules/ a way to the outside: its decisions depend on its arguments alone.
OUTSIDE = re.compile(
    r"(boost/|openssl/|ares|yaml-cpp/|sys/(socket|epoll|stat|mman|un)|unistd|netdb|netinet/|arpa/|"
    r"fcntl|poll\.|fstream|cstdio|stdio\.|filesystem|thread$|iostream)")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def includes_of(path):
    """[(line number, quoted name or None, angled name or None)]"""
    text = path.read_text(encoding="utf-8")
    return [(text.count("\n", 0, found.start()) + 1, found[1], found[2])
            for found in INCLUDE.finditer(text)]


def violations(root):
    root = pathlib.Path(root)
    found = []
    graph = {}
    for folder in MAY_INCLUDE:
        for path in sorted(root.glob(f"{folder}/**/*")):
            if path.suffix not in (".h", ".cpp"):
                continue
            name = str(path.relative_to(root))
            graph[name] = []
            for line, quoted, angled in includes_of(path):
                where = f"{name}:{line}"
                if folder == "rules" and OUTSIDE.match(quoted or angled):
                    found.append(f"{where}: rules/ may not include {quoted or angled}: it has no I/O")
                if quoted is None:
                    continue
                target_folder = quoted.split("/", 1)[0]
                if not (root / quoted).is_file():
                    found.append(f'{where}: "{quoted}" is no file; write "folder/file.h"')
                elif target_folder not in MAY_INCLUDE[folder]:
                    found.append(f"{where}: {folder}/ may not include {quoted}: "
                                 f"{target_folder}/ does not stand below it")
                else:
                    graph[name].append(quoted)
    return found + circles(graph) + types_twice(root)


NAMESPACE = re.compile(r"^namespace (\S+) \{", re.MULTILINE)
TYPE = re.compile(r"^(?:struct|class|enum class) (?:alignas\(\d+\) )?(\w+)(?: final)?(?: : [^;]*)? \{",
                  re.MULTILINE)


def types_twice(root):
    """Types of headers, at the top of their one namespace, that another header defines too."""
    found, known = [], {}
    for path in sorted(header for folder in MAY_INCLUDE for header in root.glob(f"{folder}/**/*.h")):
        text = path.read_text(encoding="utf-8")
        name = str(path.relative_to(root))
        namespace = NAMESPACE.search(text)
        for one in TYPE.finditer(text):
            key = (namespace[1] if namespace else "", one[1])
            first = known.setdefault(key, name)
            if first != name:
                line = text.count("\n", 0, one.start()) + 1
                found.append(f"{name}:{line}: {'::'.join(key)} is a type of {first} already")
    return found


def circles(graph):
    """Every include circle once, by a depth-first walk."""
    found, done = [], set()

    def walk(name, way):
        if name in way:
            circle = way[way.index(name):] + [name]
            found.append(f"{name}:1: includes itself in a circle: " + " -> ".join(circle))
            return
        if name in done:
            return
        for target in graph.get(name, []):
            walk(target, way + [name])
        done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


SOUND = {
    "base/text.h": "#include <string>\n",
    "base/text.cpp": '#include "base/text.h"\n',
    "rules/table.h": '#include <re2/re2.h>\n#include "base/text.h"\nnamespace ours {\nstruct Table {\n};\n}\n',
    "lab/pool.h": '#include "tls/stream.h"\nnamespace ours::lab {\nstruct Table {\n};\n}\n',
    "tls/stream.h": '#include <openssl/ssl.h>\n',
    "app/main.cpp": '#include "lab/pool.h"\n#include "rules/table.h"\n',
}
PLANTED = [
    ("a lower folder includes a higher one", {"base/text.h": '#include "rules/table.h"\n'},
     "rules/ does not stand below it"),
    ("lab/ includes the proxy", {"lab/pool.h": '#include "proxy/x.h"\n', "proxy/x.h": ""},
     "proxy/ does not stand below it"),
    ("only app/ includes lab/", {"tls/stream.h": '#include "lab/pool.h"\n'},
     "lab/ does not stand below it"),
    ("rules/ includes OpenSSL", {"rules/table.h": "#include <openssl/ssl.h>\n"}, "has no I/O"),
    ("rules/ includes Asio", {"rules/table.h": "#include <boost/asio.hpp>\n"}, "has no I/O"),
    ("rules/ includes sockets", {"rules/table.h": "#include <sys/socket.h>\n"}, "has no I/O"),
    ("a relative include", {"base/text.cpp": '#include "text.h"\n'}, "is no file"),
    ("a circle", {"base/text.h": '#include "base/other.h"\n', "base/other.h": '#include "base/text.h"\n'},
     "in a circle"),
    ("a type twice", {"base/text.h": "namespace ours {\nstruct Answer {\n};\n}\n",
                      "tls/stream.h": "namespace ours {\nclass Answer : public X {\n};\n}\n"},
     "ours::Answer is a type of"),
]


def self_test():
    failures = []
    for title, files, expected in [("nothing wrong", {}, None), *PLANTED]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**SOUND, **files}.items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            found = violations(folder)
        if expected is None and found:
            failures.append(f"{title}: reported {found}")
        if expected is not None and not any(expected in line for line in found):
            failures.append(f"{title}: not seen, reported {found}")
    return failures


def main():
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        found = violations(pathlib.Path(__file__).resolve().parent.parent)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
