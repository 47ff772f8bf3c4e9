#!/usr/bin/env bash
# reached.sh DIRECTORY
# Check that each function of include/brim.h has its place in the table of include/brim.hpp, and is called by the
# objects in DIRECTORY, which are the tests: so that all of it can be reached from C++, and was.
set -euo pipefail
cd "$(dirname "$0")/../.."

declared=$(sed -n 's/^BRIM_EXPORT [^(]*\<\(brim_[a-z0-9_]*\)(.*/\1/p' include/brim.h | sort -u)
named=$(sed -n '1,/^ \*\/$/p' include/brim.hpp | grep -oE '\<brim_[a-z0-9_]+' | sort -u)
called=$(nm --undefined-only "$1"/*.o | awk '$1 == "U" { print $2 }' | grep '^brim_' | sort -u)
unnamed=$(comm -23 <(echo "$declared") <(echo "$named"))
uncalled=$(comm -23 <(echo "$declared") <(echo "$called"))

[ -z "$unnamed" ] || printf 'not in the table of brim.hpp:\n%s\n' "$unnamed"
[ -z "$uncalled" ] || printf 'never called by the tests:\n%s\n' "$uncalled"
echo "$(echo "$declared" | wc -l) functions"
[ -n "$declared" ] && [ -z "$unnamed$uncalled" ]
