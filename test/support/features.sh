#!/usr/bin/env bash
# features.sh
# Check that every test named in docs/FEATURES.md exists, and that every row names one.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests=$(grep -rhoE 'START_TEST\([a-z0-9_]+\)' test/unit test/guarantee test/model | sed 's/START_TEST(\(.*\))/\1/' | sort -u)
targets=$(sed -n 's/^\([a-z]\{1,\}\):.*## .*/make \1/p' Makefile | sort -u)
bad=0 rows=0

# check_row NUMBER TESTS: TESTS is the row's last column.
check_row() {
    local name found=0
    while read -r name; do
        found=$((found + 1))
        if ! grep -qxF "$name" <<<"$tests" && ! grep -qxF "$name" <<<"$targets"; then
            echo "row $1: no test is named $name"
            bad=$((bad + 1))
        fi
    done < <(grep -oE '`[^`]+`' <<<"$2" | tr -d '`')
    while read -r name; do
        found=$((found + 1))
        [ -x "$name" ] || { echo "row $1: there is no $name"; bad=$((bad + 1)); }
    done < <(grep -oE 'test/[a-z/]+\.sh' <<<"$2" || true)
    [ "$found" -gt 0 ] || { echo "row $1 names no test"; bad=$((bad + 1)); }
}

while IFS='|' read -r _ number _ _ named _; do
    number=${number// /}
    [[ $number =~ ^[0-9]+$ ]] || continue
    rows=$((rows + 1))
    check_row "$number" "$named"
done <docs/FEATURES.md

echo "features: $rows rows, $bad wrong"
[ "$bad" -eq 0 ] && [ "$rows" -gt 0 ]
