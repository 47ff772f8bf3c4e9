#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# dist.sh
# Pack what git knows, or would if it were asked to (of a tree without .git: all but build/), as it lies there, into
# build/brim-VERSION.tar.gz.  The same files make the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=brim-$(lib/package/version.sh)
mkdir -p build
if [ -e .git ]; then
    git ls-files -z --cached --others --exclude-standard --deduplicate
else
    find . -path ./build -prune -o \( -type f -o -type l \) -printf '%P\0'
fi | { while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done; } | LC_ALL=C sort -z |
    tar --create --no-recursion --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw \
        --mtime="@$(stat -c %Y include/brim.h)" --transform="s|^|$name/|S" --null --files-from=- | gzip -9n >"build/$name.tar.gz.new"
mv "build/$name.tar.gz.new" "build/$name.tar.gz"
echo "build/$name.tar.gz"
