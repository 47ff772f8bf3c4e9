#!/usr/bin/env bash
# check.sh CLANG
# Each source here but right.c is wrong in one way: CLANG must say so, in the words that the source expects, and must say
# nothing of right.c.  Else what lib/base/guard.h says to clang is said in vain.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

status=0
for source in test/static/*.c; do
    expected=$(sed -n "s|^/\* expect: \(.*\) \*/$|\1|p" "$source")
    said=$("$1" -std=c11 -D_GNU_SOURCE -Iinclude -Ilib -fsyntax-only -Wthread-safety -Wthread-safety-beta -Werror \
        "$source" 2>&1 | sed "s/\\(rank\\|mutex\\) '/'/g") # older ones call every capability a mutex
    if [ "$expected" = nothing ] && [ -z "$said" ]; then
        continue
    elif [ -n "$expected" ] && [[ $said == *"$expected"* ]]; then
        continue
    fi
    status=1
    printf '%s: expected: %s; but:\n%s\n' "$source" "$expected" "$said"
done
exit "$status"
