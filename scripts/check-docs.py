#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""check-docs.py [ROOT] - fails where a document links to a file, or to a heading, that does not exist

Reads README.md and docs/, outside of code. Links to other hosts are not followed.
"""
import glob
import os
import re
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose_of(path):
    """The document's lines, with code taken out."""
    in_code = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.lstrip().startswith("```"):
                in_code = not in_code
            elif not in_code and not line.startswith("    "):
                yield number, re.sub(r"`[^`]*`", "", line)


def anchors_of(path):
    """The anchors of a document's headings, in the usual spelling: lower case, hyphens for spaces, no punctuation."""
    anchors = set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#"):
                title = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
                anchors.add(title.replace(" ", "-"))
    return anchors


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    documents = [os.path.join(root, "README.md")] + sorted(glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True))
    links, broken = 0, 0
    for document in documents:
        for number, line in prose_of(document):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target):
                    continue
                links += 1
                name, _, anchor = target.partition("#")
                path = os.path.normpath(os.path.join(os.path.dirname(document), name)) if name else document
                if not os.path.exists(path) or (anchor and path.endswith(".md") and anchor not in anchors_of(path)):
                    broken += 1
                    print("%s:%d: %s does not exist" % (os.path.relpath(document, root), number, target))
    print("%d documents, %d links, %d broken" % (len(documents), links, broken))
    return 1 if broken or links == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
