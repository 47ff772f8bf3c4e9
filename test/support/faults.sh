#!/usr/bin/env bash
# faults.sh LIBRARY...
# Check that test/fault/test_nth.c calls every function that include/ declares with BRIM_EXPORT, that test/fault/calls
# has every function that each LIBRARY calls outside itself, and that the tests which docs/TESTING.md names for
# counters exist.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Of a function NAME_sized the macro NAME is as good.
declared=$(sed -n 's/^BRIM_EXPORT [^(]*\<\(brim_[a-z0-9_]*\)(.*/\1/p' include/*.h | sed 's/_sized$//' | sort -u)
called=$(grep -oE '\<brim_[a-z0-9_]+\(' test/fault/test_nth.c | sed 's/($//' | sort -u)
missing=$(comm -23 <(echo "$declared") <(echo "$called"))

known=$(awk '!/^#/ { print $1 }' test/fault/calls | sort -u)
unknown=$(nm -u "$@" | awk '$1 == "U" || $1 == "w" { print $2 }' | sort -u | comm -23 - <(echo "$known"))

named=$(awk -F'|' '/^## /{on = /Faults/} on && NF == 6 { print $5 }' docs/TESTING.md |
    grep -oE '`[^`]+`' | tr -d '`' | sort -u)
tests=$(grep -rhoE 'START_TEST\([a-z0-9_]+\)' test/unit | sed 's/START_TEST(\(.*\))/\1/' | sort -u)
absent=$(comm -23 <(echo "$named") <(echo "$tests"))

[ -z "$absent" ] || printf 'tests in docs/TESTING.md that are none:\n%s\n' "$absent"
[ -z "$missing" ] || printf 'not called in test/fault/test_nth.c:\n%s\n' "$missing"
[ -z "$unknown" ] || printf 'not in test/fault/calls:\n%s\n' "$unknown"
lines() { echo "$1" | wc -l; }
echo "faults: $(lines "$declared") functions, $(lines "$known") calls, $(lines "$named") tests of counters"
[ -z "$missing$unknown$absent" ]
