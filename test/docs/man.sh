#!/usr/bin/env bash
# man.sh DIRECTORY [PAGE...]
# Check the man pages below it, and more: mandoc finds no error and no warning in them, groff neither, and each function
# that libbrim.so exports has one.
set -euo pipefail
cd "$(dirname "$0")/../.."

wrong=0
pages=("$1"/man*/*.[137] "${@:2}")
[ "${#pages[@]}" -gt 100 ] || { echo "only ${#pages[@]} pages below $1"; exit 1; }

mandoc -T lint -W warning "${pages[@]}" || wrong=1

# brim_options_init calls brim_options_init_sized, and has the page.
while read -r name; do
    [ -e "$1/man3/$name.3" ] || { echo "no page is about $name"; wrong=1; }
done < <(sed -n 's/^BRIM_EXPORT .*\b\(brim_[a-z_]*\)(.*/\1/p' include/brim.h include/brim_debug.h)

# What `man' formats with; `-z' throws the text away.
warnings=$(groff -man -Kutf8 -Tutf8 -ww -z "${pages[@]}" 2>&1) || wrong=1
[ -z "$warnings" ] || { echo "$warnings"; wrong=1; }

echo "man: ${#pages[@]} pages"
exit "$wrong"
