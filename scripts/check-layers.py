#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check-layers.py [ROOT] [--self-test] - fails where an #include runs upward through the layers

Each directory may include the headers of those listed for it, and no others. The CMake targets say the same with their
include directories; this also catches paths such as "../../pmem/layout.h", and headers that no build includes.
"""
import os
import re
import sys
import tempfile

ALLOWED = {
    "src/base": ["src/base"],
    "pmem": ["pmem", "src/base", "include"],  # of the public header: the error numbers and durability classes
    "include": ["include"],
    "src/store": ["src/store", "pmem", "src/base", "include"],
    "src/crashtest": ["src/crashtest", "src/store", "pmem", "src/base", "include"],
    "src/resp": ["src/resp", "src/base"],
    "src/wire": ["src/wire", "src/base"],
    "src/client": ["src/client", "src/wire", "src/base", "include"],
    "src/server": ["src/server", "src/resp", "src/wire", "src/base", "include"],
    "src/tools": ["src/tools", "include", "pmem", "src/base"],
    "bench": ["bench", "include", "src/wire", "src/base"],
    "bench/medium": ["bench/medium", "bench", "src/store", "pmem", "src/base", "include"],
    "bench/cache": ["bench/cache", "bench", "src/store", "src/base", "include"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(superdb/[^>]+)>)')


def layer_of(root, path):
    """The layer that holds a file, or None."""
    relative = os.path.relpath(path, root) + (os.sep if os.path.isdir(path) else "")
    for layer in sorted(ALLOWED, key=len, reverse=True):
        if relative.startswith(layer + os.sep):
            return layer
    return None


def resolve(root, source, name):
    """The file that an include of name in source means: beside it, or in any layer."""
    candidates = [os.path.join(os.path.dirname(source), name)]
    candidates += [os.path.join(root, layer, name) for layer in ALLOWED]
    return [os.path.realpath(path) for path in candidates if os.path.isfile(path)]


def check_file(root, layer, path):
    """The complaints about one file."""
    complaints = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            name = match.group(1) or match.group(2)
            where = "%s:%d: " % (os.path.relpath(path, root), number)
            layers = [layer_of(root, target) for target in resolve(root, path, name)]
            if not layers:
                complaints.append(where + '"%s" is in no layer' % name)
            elif not any(target in ALLOWED[layer] for target in layers):
                complaints.append(where + '%s may not include "%s" of %s' % (layer, name, layers[0]))
    return complaints


def check(root):
    """The complaints about a tree, and how many files were read."""
    root = os.path.realpath(root)
    complaints, count = [], 0
    for layer in ALLOWED:
        for directory, _, names in os.walk(os.path.join(root, layer)):
            if layer_of(root, os.path.join(directory, ".")) != layer:  # a layer of its own, inside
                continue
            for name in sorted(names):
                if name.endswith((".c", ".h", ".S", ".inc")):
                    count += 1
                    complaints += check_file(root, layer, os.path.join(directory, name))
    return complaints, count


def self_test():
    """Trees with one wrong arrow each must be complained about once, a right one not at all."""
    cases = [
        ("src/server/a.c", '#include "layout.h"', 1),
        ("src/server/a.c", '#include "../../pmem/layout.h"', 1),
        ("src/server/a.c", '#  include "engine.h"', 1),
        ("src/base/a.c", '#include <superdb/superdb.h>', 1),
        ("pmem/a.c", '#include "engine.h"', 1),
        ("pmem/a.c", '#include "nowhere.h"', 1),
        ("bench/a.c", '#include "engine.h"', 1),
        ("bench/cache/a.c", '#include "layout.h"', 1),
        ("bench/cache/a.c", '#include "engine.h"', 0),
        ("src/store/a.c", '#include "layout.h"', 0),
        ("src/client/a.c", '#include "engine.h"', 1),
        ("src/server/a.c", '#include "superdb/superdb.h"', 0),
        ("src/server/a.c", '// see #include "layout.h"', 0),
    ]
    for path, line, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            for name, text in (("pmem/layout.h", ""), ("src/store/engine.h", ""), ("include/superdb/superdb.h", ""),
                               (path, line + "\n")):
                os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
                with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                    file.write(text)
            complaints, _ = check(root)
            if len(complaints) != expected:
                print("self-test: %s with %s: %d complaints, not %d" % (path, line, len(complaints), expected))
                return 1
    print("self-test: %d cases as expected" % len(cases))
    return 0


def main():
    if "--self-test" in sys.argv[1:]:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    complaints, count = check(root)
    for complaint in complaints:
        print(complaint)
    print("%d files, %d arrows that run upward" % (count, len(complaints)))
    return 1 if complaints or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
