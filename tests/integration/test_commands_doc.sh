#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# test_commands_doc.sh - the documents say what the tables in the server say: docs/COMMANDS.md is what the server writes, and
# docs/CONFIGURATION.md has a row for every option, with its default
#
# Environment: SUPERDB_SERVER names the program.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
server=${SUPERDB_SERVER:-$root/build/superdb-server}

"$root/scripts/make-commands-doc.sh" "$server" --check

failed=0
options=0
while read -r name default; do
    name=${name#--}
    default=${default#[}
    default=${default%]}
    if [ -n "$default" ]; then
        row="| \`$name\` | \`$default\` |"
    else
        row="| \`$name\` |  |"
    fi
    if ! grep -qF "$row" "$root/docs/CONFIGURATION.md"; then
        echo "docs/CONFIGURATION.md has no row that begins with: $row" >&2
        failed=1
    fi
    options=$((options + 1))
done < <("$server" --help | grep -E '^  --[a-z-]+ \[')

[ "$options" -ge 30 ] || { echo "only $options options in --help" >&2; exit 1; }
exit "$failed"
