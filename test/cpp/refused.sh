#!/usr/bin/env bash
# refused.sh CXX [EVERY]
# Check that each CASE, or every EVERY-th, of test/cpp/alone/refused.cpp is refused by CXX with the words behind its
# number, and that all else in it is right.  Exit status: 0 if so.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

source=test/cpp/alone/refused.cpp
compile() { "$1" -std=c++17 -Wall -Wextra -Werror -Iinclude -fsyntax-only -DCASE="$2" "$source" 2>&1; }

failed=0 cases=0
compile "$1" 0 || { echo 'what is right was refused'; failed=1; }
while read -r number words; do
    [ $((number % ${2:-1})) -eq 0 ] || continue
    cases=$((cases + 1))
    if said=$(compile "$1" "$number"); then
        echo "case $number compiles"
        failed=1
    elif ! grep -qE "error: .*($words)" <<<"$said"; then
        printf 'case %s is refused for another reason than "%s":\n%s\n' "$number" "$words" "$said"
        failed=1
    fi
done < <(sed -nE 's/^#(el)?if CASE == ([0-9]+) \/\/ (.*)/\2 \3/p' "$source")
echo "$cases cases"
[ "$failed" = 0 ] && [ "$cases" -gt 0 ]
