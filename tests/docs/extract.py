#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""extract.py OUTPUT_DIR DOCUMENT... - writes the examples of the documents as C files, and prints their names

An example is a ```c block whose first line is /* example: NAME */. A file is only written when it changed. #line
directives make the compiler's messages point into the document.
"""
import os
import re
import sys

MARK = re.compile(r"^/\* example: ([a-z0-9_]+) \*/$")


def examples_of(path):
    """Yields (name, number of the block's first line, text) for each example in a document."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    index = 0
    while index < len(lines):
        if lines[index].strip() != "```c":
            index += 1
            continue
        begin = index + 1
        end = begin
        while end < len(lines) and lines[end].strip() != "```":
            end += 1
        if end == len(lines):
            sys.exit("%s:%d: the block is not closed" % (path, index + 1))
        match = MARK.match(lines[begin].strip())
        if match:
            yield match.group(1), begin + 1, "\n".join(lines[begin:end]) + "\n"
        elif "example:" in lines[begin]:
            sys.exit("%s:%d: not /* example: name */" % (path, begin + 1))
        index = end + 1


def write_if_changed(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main():
    output, documents = sys.argv[1], sys.argv[2:]
    os.makedirs(output, exist_ok=True)
    seen = {}
    for document in documents:
        for name, line, text in examples_of(document):
            if name in seen:
                sys.exit("%s:%d: an example named %s is in %s already" % (document, line, name, seen[name]))
            seen[name] = document
            write_if_changed(os.path.join(output, "example_%s.c" % name), '#line %d "%s"\n%s' % (line, document, text))
    for name in seen:
        print(name)


if __name__ == "__main__":
    main()
