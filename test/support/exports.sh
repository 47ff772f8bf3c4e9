#!/usr/bin/env bash
# exports.sh LIBRARY
# Check that LIBRARY exports every function that include/ declares with BRIM_EXPORT, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/../.."

declared=$(sed -n 's/^BRIM_EXPORT [^(]*\<\(brim_[a-z0-9_]*\)(.*/\1/p' include/*.h | sort -u)
exported=$(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
missing=$(comm -23 <(echo "$declared") <(echo "$exported"))
extra=$(comm -13 <(echo "$declared") <(echo "$exported"))

[ -z "$missing" ] || printf 'declared but not exported:\n%s\n' "$missing"
[ -z "$extra" ] || printf 'exported but not declared:\n%s\n' "$extra"
echo "exports: $(echo "$declared" | wc -l) functions declared"
[ -z "$missing$extra" ]
