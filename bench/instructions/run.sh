#!/usr/bin/env bash
# run.sh
# Count with callgrind the instructions of one operation each in caches of growing size, SIZES; print a table,
# write build/instructions.json, and say what changed since the last one by more than a hundredth.  Counts do not
# depend on what else the machine does, and repeat from run to run, those of evict nearly.  Exit status: 0, also if find grew too much
# (that is said); 1 if something did not run, or answered wrongly.
set -euo pipefail
cd "$(dirname "$0")/../.."

sizes=${SIZES:-1000 10000 100000 1000000 10000000}
program=build/release/brim-instructions
out=build/instructions
json=build/instructions.json

# A cache that allows sections is another cache: each set of parts fills its own.
sets=("nothing,find,get,release,find_many,release_many,key_find,remove,insert,evict" "peek,peek_many")
columns=(find get release find_many release_many key_find peek peek_many remove insert evict)

# count SIZE SET: to $out/SIZE-SET.tsv lines of entries, part, operations, instructions of them all.
count() {
    local name=$out/$1-$2 part operations i=0 total
    valgrind -q --tool=callgrind --collect-atstart=no --toggle-collect='measure_*' --dump-before=part_end \
        --callgrind-out-file="$name.callgrind" "$program" --entries "$1" --what "${sets[$2]}" \
        >"$name.parts" 2>"$name.log" || return 1
    while read -r part operations; do
        i=$((i + 1))
        total=$(sed -n 's/^totals: //p' "$name.callgrind.$i")
        printf '%s\t%s\t%s\t%s\n' "$1" "$part" "$operations" "$total"
    done <"$name.parts" >"$name.tsv"
}

# The longest first, as many at once as there are processors.
count_all() {
    local size set running=0 failed=0
    for size in $(tr ' ' '\n' <<<"$sizes" | sort -rn); do
        for set in "${!sets[@]}"; do
            if [ "$running" -ge "$(nproc)" ]; then
                wait -n || failed=1
                running=$((running - 1))
            fi
            count "$size" "$set" &
            running=$((running + 1))
        done
    done
    while [ "$running" -gt 0 ]; do
        wait -n || failed=1
        running=$((running - 1))
    done
    [ "$failed" = 0 ] || { grep -hv 'brk segment\|Limitations\|further instances' "$out"/*.log >&2 && false; }
}

write_json() {
    local compiler
    compiler=$($(cut -d' ' -f1 build/release/flags) --version | head -1)
    {
        printf '{\n  "date": "%s",\n  "valgrind": "%s",\n  "compiler": "%s",\n  "results": [\n' \
            "$(date -u +%F)" "$(valgrind --version)" "$compiler"
        sort -n -s -k1,1 "$out"/*.tsv | awk -F'\t' '{
            printf "%s    {\"entries\": %d, \"what\": \"%s\", \"operations\": %d, \"instructions\": %.2f}",
                (NR > 1 ? ",\n" : ""), $1, $2, $3, $4 / $3 }'
        printf '\n  ]\n}\n'
    } >"$json.new"
}

# field_lines FILE: entries, part and instructions, from a JSON as above.
field_lines() { sed -n 's/.*"entries": \([0-9]*\), "what": "\([a-z_]*\)".*"instructions": \([0-9.]*\)}.*/\1 \2 \3/p' "$1"; }

print_table() {
    field_lines "$json.new" | awk -v columns="${columns[*]}" '
        function width(part) { return part ~ /release/ ? 8 : 7 }
        { size[$1] = 1; count[$1, $2] = $3; if ($2 == "nothing") loop = $3 }
        END {
            n = split(columns, column, " ")
            print "Instructions of one operation (16-byte keys; the many: 16 at once, each of them)"
            print ""
            for (i = 1; i <= n; i++) {
                m = split(column[i], word, "_")
                above = above sprintf("%*s", width(column[i]), m > 1 ? word[1] : "")
                below = below sprintf("%*s", width(column[i]), word[m])
            }
            printf "%8s%s\n%8s%s\n", "", above, "entries", below
            for (s = 1000; s <= 1e8; s *= 10) {
                if (!(s in size)) continue
                printf "%8d", s
                for (i = 1; i <= n; i++)
                    printf "%*s", width(column[i]), ((s, column[i]) in count) ? sprintf("%.0f", count[s, column[i]]) : "-"
                print ""
                if (!smallest) smallest = s
                largest = s
            }
            printf "\nThe loop and the call are %.0f of each that is not of many.\n", loop
            ratio = count[largest, "find"] / count[smallest, "find"]
            printf "find at %d entries / find at %d: %.3f, %swithin 10 %%.\n", largest, smallest, ratio,
                ((ratio <= 1.1 && ratio >= 1 / 1.1) ? "" : "NOT ")
        }'
}

print_changes() {
    [ -f "$json" ] || return 0
    { field_lines "$json"; echo; field_lines "$json.new"; } | awk '
        NF == 0 { new = 1; next }
        !new { old[$1 " " $2] = $3; next }
        ($1 " " $2) in old && old[$1 " " $2] > 0 {
            change = $3 / old[$1 " " $2] - 1
            if (change > 0.01 || change < -0.01) {
                if (!said++) print "Since the last count:"
                printf "  %-12s at %8d entries  %8.1f -> %8.1f  %+.1f %%\n", $2, $1, old[$1 " " $2], $3, 100 * change
            }
        }
        END { if (!said) print "Since the last count nothing changed by more than 1 %." }'
}

rm -rf "$out"
mkdir -p "$out"
count_all
write_json
print_table
print_changes
mv "$json.new" "$json"
echo "Written: $json"
