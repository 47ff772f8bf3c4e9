#!/usr/bin/env bash
# check.sh PROGRAM README
# Run PROGRAM and compare what it prints with the text block of README.  Exit status: 0 if it ends with 0 and the two
# are the same.
set -euo pipefail

expected=$(awk '/^```text$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$2")
[ -n "$expected" ] || { echo "$2 does not say what is printed"; exit 1; }

# Qt's own: a platform's screen is never freed, which shows only in whole stacks.
case $1 in
*/asan/*/qpixmapcache)
    export LSAN_OPTIONS=print_suppressions=0:suppressions=$(dirname "$0")/leaks.supp
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:fast_unwind_on_malloc=0
    ;;
esac

status=0
printed=$("$1") || status=$?
diff <(printf '%s\n' "$expected") <(printf '%s\n' "$printed") || status=1
exit "$status"
