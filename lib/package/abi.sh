#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# abi.sh LIBRARY HEADERS
# Compare the ABI of LIBRARY, as HEADERS show it, with that of the last release, whose commit lib/package/last-release
# names and which is built from git's history into build/abi.  Functions may be added, and fields at the end of what
# begins with its size (lib/package/abi.suppress); all else fails.  Says so and is content where there is no abidiff, or
# no history.
set -euo pipefail
library=$(realpath "$1")
headers=$(realpath "$2")
cd "$(dirname "$0")/../.."

read -r commit _ <lib/package/last-release
if ! command -v abidiff >/dev/null; then
    echo 'abi: left out: no abidiff (Debian has it in abigail-tools)'
    exit 0
fi
if [ ! -e .git ] || ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "abi: left out: no history here with the last release, $commit"
    exit 0
fi

old=build/abi/$commit
mkdir -p build/abi
exec 9>build/abi/lock
flock 9
if [ ! -e "$old/done" ]; then
    rm -rf "$old"
    mkdir -p "$old"
    git archive "$commit" | tar -C "$old" -x
    # Without optimisation: it is only looked at.
    make -s --no-print-directory -C "$old" -j"$(nproc)" build/release/libbrim.so CFLAGS=-O0
    touch "$old/done"
fi
exec 9>&-

compare() {
    abidiff --headers-dir1 "$old/include" --headers-dir2 "$headers" --drop-private-types --no-added-syms "$@" \
        "$old/build/release/libbrim.so" "$library"
}

status=0
compare --suppressions lib/package/abi.suppress || status=$?
# What may grow may change in no other way, which abidiff suppresses, too, if nothing was inserted.
if [ "$status" -eq 0 ] && { compare || true; } | grep -B 5 -A 5 -E '[0-9]+ data member (change|deletion)s?:'; then
    status=4
fi
[ "$status" -ne 0 ] || echo "abi: as $commit, or more"
exit "$status"
