#!/usr/bin/env bash
# cost.sh PROGRAM
# Count with callgrind the instructions that PROGRAM (test/cpp/alone/cost.cpp) takes for the same work through brim.h
# and through brim.hpp, and print them, for each of the 1000 keys.  Exit status: 0 if find with release, and peek,
# take at most one instruction more, and the others at most COST_MORE (30).
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/cpp/cost.callgrind
valgrind -q --tool=callgrind --callgrind-out-file="$out" "$1" >/dev/null 2>"$out.log" || { cat "$out.log"; exit 1; }
callgrind_annotate --inclusive=yes --threshold=100 "$out" | awk -v more="${COST_MORE:-30}" '
    match($0, /[a-z_]+_(c|cpp)( |$)/) && / \(/ {
        name = substr($0, RSTART, RLENGTH)
        sub(/ $/, "", name)
        gsub(/,/, "", $1)
        if (!(name in count)) count[name] = $1
    }
    END {
        printf "%-16s %9s %9s %9s\n", "instructions", "brim.h", "brim.hpp", "more"
        n = split("find_release peek get_hit find_many insert_remove", names, " ")
        for (i = 1; i <= n; i++) {
            c = count[names[i] "_c"] / 10000
            cpp = count[names[i] "_cpp"] / 10000
            printf "%-16s %9.1f %9.1f %+9.1f\n", names[i], c, cpp, cpp - c
            if (c == 0 || cpp == 0 || cpp - c > (i <= 2 ? 1 : more)) bad = 1
        }
        exit bad
    }'
