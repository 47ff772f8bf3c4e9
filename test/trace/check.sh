#!/usr/bin/env bash
# check.sh LIBRARY COMPILER FLAG...
# Check that LIBRARY has the probes that docs/TRACING.md names, with as many arguments each, that a debugger gets at them,
# and that in what COMPILER makes with FLAG... a probe adds to a hit one nop and nothing else.  It needs
# build/release/brim-instructions and obj/libinside.a.
set -euo pipefail
cd "$(dirname "$0")/../.."

library=$1
shift
if [[ " $* " == *' -DBRIM_NO_PROBES '* ]]; then
    echo 'left out: the build has no probes (systemtap-sdt-dev)'
    exit 0
fi
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*"
}

# Notes: a line `NAME ARGUMENTS' for each probe that there is.
notes() {
    readelf -n "$1" | awk '/Provider: / { brim = $2 == "brim" } brim && /Name: / { name = $2 }
        brim && /Arguments: / { print name, NF - 1 }' | sort -u
}
documented=$(sed -n 's/^| `\([a-z_]*\)` | \([^|]*\) |.*/\1 \2/p' docs/TRACING.md | awk '{ print $1, NF - 1 }' | sort -u)
[ -n "$documented" ] || fail 'docs/TRACING.md names no probes'
notes "$library" >"$here/notes"
diff <(echo "$documented") "$here/notes" || fail "$library has other probes than docs/TRACING.md"

# What a probe adds to a hit: a nop.  Counted by callgrind, beside the same program with look-ups that have no probes.
if command -v valgrind >/dev/null; then
    lookups=(find get peek many) plain=()
    for file in "${lookups[@]}"; do
        "$@" -DBRIM_NO_PROBES -c -o "$here/$file.o" "lib/cache/$file.c"
        plain+=("$here/$file.o")
        [ -z "$(notes "$here/$file.o")" ] || fail "$file.c has probes in spite of BRIM_NO_PROBES"
    done
    objects=build/release/obj
    "$1" -o "$here/without" "$objects"/bench/instructions/*.o "${plain[@]}" "$objects/libinside.a" -pthread
    count() { # count PROGRAM PART,...: lines of part and instructions of one operation
        local part operations i=0 out=$here/${1##*/}
        valgrind -q --tool=callgrind --collect-atstart=no --toggle-collect='measure_*' --dump-before=part_end \
            --callgrind-out-file="$out.callgrind" "$1" --entries 1000 --what "$2" >"$out.parts" 2>/dev/null
        while read -r part operations; do
            i=$((i + 1))
            echo "$part $(sed -n 's/^totals: //p' "$out.callgrind.$i") $operations"
        done <"$out.parts" | awk '{ print $1, $2 / $3 }'
    }
    for parts in find,get,find_many,key_find peek,peek_many; do
        join <(count "$here/without" "$parts") <(count build/release/brim-instructions "$parts") >>"$here/counts"
    done
    cat "$here/counts"
    [ "$(wc -l <"$here/counts")" -eq 6 ] || fail 'not everything was counted'
    # Among the finds of many, gcc 12 has one more move for it.
    awk '{ most = $1 ~ /^find_many/ ? 2.1 : 1.1 } $3 < $2 + 0.9 || $3 > $2 + most { print; bad = 1 } END { exit bad }' "$here/counts" ||
        fail 'a probe is not one nop of the above'
else
    echo 'not counted: no valgrind'
fi

if command -v gdb >/dev/null; then
    gdb -q -nx -batch -ex 'info probes stap brim' "$library" >"$here/gdb" 2>&1 || true
    while read -r probe _; do
        grep -q "^stap  *brim  *$probe " "$here/gdb" || fail "gdb does not see $probe"
    done <"$here/notes"
fi
# Where it may run at all.
if command -v bpftrace >/dev/null && bpftrace -d -e 'BEGIN { exit(); }' >/dev/null 2>&1; then
    bpftrace -d bench/trace/brim.bt "$library" >"$here/bpftrace" 2>&1 || fail "bpftrace: $(tail -3 "$here/bpftrace")"
fi
echo "trace: $(wc -l <"$here/notes") probes, $failures failures"
[ "$failures" -eq 0 ]
