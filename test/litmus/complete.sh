#!/usr/bin/env bash
# complete.sh
# Every place of the library that a harness comes by must be in plants.txt, with each way to plant a bug there; and each
# that is named there must be a place.
set -euo pipefail
cd "$(dirname "$0")/../.."

there=$(for harness in $(make -s --no-print-directory print-LITMUS); do
    "build/litmus/$harness" 3000 plants | grep '^plant ' || true
done | cut -d' ' -f2 | sort -u)
named=$(sed -nE 's/^[a-z-]+ +([^ ]+).*/\1/p' test/litmus/plants.txt | sort)

bad=0
complain() {
    echo "$1"
    bad=$((bad + 1))
}
while read -r plant; do
    matched=false
    while read -r name; do
        # A name that ends with a star is of all that begin so.
        if [ "$name" = "$plant" ] || [[ $name == *'*' && $plant == "${name%?}"* ]]; then
            matched=true
            break
        fi
    done <<<"$named"
    [ "$matched" = true ] || complain "$plant: not in plants.txt"
done <<<"$there"
while read -r name; do
    if [[ $name == *'*' ]]; then
        grep -qF -- "${name%?}" <<<"$there" || complain "$name: in plants.txt, but nowhere else"
    else
        grep -qxF -- "$name" <<<"$there" || complain "$name: in plants.txt, but nowhere else"
    fi
done <<<"$named"
uniq -d <<<"$named" | while read -r name; do echo "$name: twice in plants.txt"; done

echo "plants: $(wc -l <<<"$there") in reach, $(wc -l <<<"$named") named, $bad wrong"
[ "$bad" -eq 0 ]
