#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# abi.sh
# Check that lib/package/abi.sh finds what breaks programs, and lets pass what does not: libraries of the last release with
# one thing changed, in build/package/abi.
set -euo pipefail
cd "$(dirname "$0")/../.."

compare() { lib/package/abi.sh "$@"; }
if compare build/release/libbrim.so include | grep 'left out'; then
    exit 0
fi
read -r commit _ <lib/package/last-release
old=build/abi/$commit
work=build/package/abi

# changed NAME SOURCE 'SED OF HEADER' 'SED OF SOURCE' ['SED OF MAP']: only SOURCE is compiled anew.
changed() {
    local to=$work/$1
    rm -rf "$to"
    mkdir -p "$to"
    cp -r "$old/include" "$to"
    sed -i "$3" "$to/include/brim.h"
    sed "$4" "$old/lib/$2" >"$to/source.c"
    sed "${5-}" "$old/lib/libbrim.map" >"$to/map"
    if [ -n "$3$4" ] && cmp -s "$old/include/brim.h" "$to/include/brim.h" && cmp -s "$old/lib/$2" "$to/source.c"; then
        echo "$1: nothing to change"
        exit 1
    fi
    gcc -std=c11 -D_GNU_SOURCE -DNDEBUG -g -fPIC -fvisibility=hidden -w -I"$to/include" -I"$old/lib" -c "$to/source.c" \
        -o "$to/source.o"
    gcc -shared -Wl,-soname,libbrim.so.0 -Wl,--version-script="$to/map" -o "$to/libbrim.so" "$to/source.o" \
        $(find "$old/build/release/obj/lib" -name '*.o' ! -path "*/${2%.c}.o" | sort) -pthread
}

bad=0
breaks() {
    changed "$@"
    if compare "$work/$1/libbrim.so" "$work/$1/include" >"$work/$1/log" 2>&1; then
        echo "$1: passed as if it broke nothing"
        bad=$((bad + 1))
    fi
}
passes() {
    changed "$@"
    if ! compare "$work/$1/libbrim.so" "$work/$1/include" >"$work/$1/log" 2>&1; then
        echo "$1: found, but breaks nothing"
        cat "$work/$1/log"
        bad=$((bad + 1))
    fi
}

text=cache/status.c
new=cache/cache.c
breaks removed "$text" '' '' 's/local:/local: brim_strerror;/; s/brim_\*;/brim_[!s]*; brim_s[!t]*; brim_st[!r]*;/'
breaks version "$text" '' '' 's/BRIM_0/BRIM_1/'
breaks parameter "$text" 's/brim_strerror(brim_status /brim_strerror(long /' 's/brim_strerror(brim_status /brim_strerror(long /'
breaks result "$text" 's/const char \*brim_version(void)/int brim_version(void)/' \
    's/^const char \*brim_version(void)/int brim_version(void)/; s/return "[0-9].*/return 0;/'
breaks number "$text" 's/BRIM_TIMEOUT = 3,/BRIM_TIMEOUT = 30,/' ''
breaks field "$new" 's/^    size_t capacity;       /    size_t more, capacity;/' ''
breaks width "$new" 's/^    bool borrow; /    int borrow;/' ''
breaks order "$new" 's/^    bool drop_old; /    long work_; /; s/^    uint64_t work; /    bool drop_old; /' ''
breaks enum "$new" 's/^    BRIM_WORK = 3 /    BRIM_WORK = 30/' ''
breaks callback "$new" 's/uint64_t (\*now)(void \*)/uint64_t (*now)(long)/' ''
passes appended "$new" 's/^} brim_options;/    uint64_t more;\n} brim_options;/' ''
passes added "$text" '' '$ a __attribute__((visibility("default"))) int brim_new(void) { return 0; }'
passes same "$text" '' ''
echo "abi: $bad changes judged wrongly"
[ "$bad" -eq 0 ]
