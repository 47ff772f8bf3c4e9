#!/usr/bin/env bash
# unlocked.sh CLANG
# In each function of the library that takes a lock, one after another, leave out the lines that take and release it:
# CLANG must object.  So there is no lock of which lib/base/guard.h is not told what it protects.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

flags=(-std=c11 -D_GNU_SOURCE -DBRIM_TRACE_REFS -Iinclude -Ilib -fsyntax-only -Wthread-safety -Wthread-safety-beta -Werror)
takes='^ *(.void.)?(lock_acquire|shard_lock|shard_lock_to_look|adapt_lock|depot_lock|limbo_lock|kinds_lock|registry_lock|acquire)[(]'
gives='^ *(lock_release|shard_unlock|adapt_unlock|depot_unlock|limbo_unlock|kinds_unlock|registry_unlock|release)[(]'

# Those that take a lock for their callers are not followed, and not left out.
functions_of() {
    awk -v takes="$takes" '
        /^[a-z].*[(]/ && !/;$/ { name = $0; sub(/[(].*/, "", name); sub(/.*[ *]/, "", name); skip = /LOCKS|UNFOLLOWED/ }
        name == "registry_lock" { skip = 1 }
        $0 ~ takes && !skip { print name; skip = 1 }' "$1"
}

without_lock() { # without_lock FILE FUNCTION
    awk -v takes="$takes" -v gives="$gives" -v wanted="$2" '
        /^[a-z].*[(]/ && !/;$/ { name = $0; sub(/[(].*/, "", name); sub(/.*[ *]/, "", name) }
        name == wanted && ($0 ~ takes || $0 ~ gives) { print ""; next }
        { print }' "$1"
}

count=0 missed=0
for file in lib/*/*.c; do
    for function in $(functions_of "$file"); do
        count=$((count + 1))
        if without_lock "$file" "$function" | "$1" "${flags[@]}" -x c - >/dev/null 2>&1; then
            missed=$((missed + 1))
            echo "$file: $function without its lock: no objection"
        fi
    done
done
echo "$count functions that take a lock, $missed missed"
[ "$count" -gt 50 ] && [ "$missed" -eq 0 ]
