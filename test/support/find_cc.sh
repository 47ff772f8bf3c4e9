#!/bin/sh
# find_cc.sh FLAG COMPILER...
# Print the first COMPILER that can build a program with FLAG; if there is none, the last one.
flag=$1
shift
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for cc in "$@"; do
    if echo 'int main(void) { return 0; }' | "$cc" "$flag" -x c - -o "$out" >/dev/null 2>&1; then
        break
    fi
done
echo "$cc"
