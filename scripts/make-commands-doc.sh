#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# make-commands-doc.sh SERVER [--check]: writes docs/COMMANDS.md from the table in the server, or checks that the file is
# what the table says (exit status 1 where it is not)
set -euo pipefail

server=${1:?usage: make-commands-doc.sh SERVER [--check]}
document=$(dirname "$0")/../docs/COMMANDS.md

if [ "${2:-}" = --check ]; then
    if ! "$server" --dump-commands | diff -u "$document" -; then
        echo "docs/COMMANDS.md is not current: run scripts/make-commands-doc.sh" >&2
        exit 1
    fi
else
    "$server" --dump-commands >"$document.new"
    mv "$document.new" "$document"
fi
