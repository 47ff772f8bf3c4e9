#!/usr/bin/env bash
# page.sh [FROM [TO]]
# Make the page and the plots in TO (docs/benchmarks) of the measurements in FROM (build/report): peers.json, and for
# a plot each threads.json, entries.json, skew.json; beside them build/instructions.json, if it is there.  Measures
# nothing.  A plot without measurements is left out, and so is a peer.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=bench/report
from=${1:-build/report}
to=${2:-docs/benchmarks}

if [ ! -f "$from/peers.json" ]; then
    echo "$0: no measurements in $from: run make report" >&2
    exit 2
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$to"

instructions=build/instructions.json
[ -f "$instructions" ] || { echo '{}' >"$work/instructions.json" && instructions=$work/instructions.json; }

# ---- Styles: one line a peer, the same on every plot.  Brim's are cold colours and thick lines.

# peer | colour | width | gnuplot's point type | its size
styles="brim find|#0072B2|3.5|7|1.0
brim find_many|#56B4E9|3.5|5|0.9
brim peek|#009E73|3.5|9|1.1
brim peek_many|#44BB99|3.5|11|1.1
brim key_find|#332288|3.5|13|1.2
rocksdb hyperclock|#D55E00|1.5|6|0.9
rocksdb lru|#E69F00|1.5|4|0.9
leveldb|#CC79A7|1.5|8|1.0
glib lru|#882255|1.5|10|1.0
qt qcache|#999999|1.5|12|1.1
onetbb|#000000|1.5|2|0.8"

# style PEER: `lc rgb ... lw ... pt ... ps ...'; a peer without a line of its own is dark grey.
style() {
    local peer colour width point size
    IFS='|' read -r peer colour width point size < <(grep "^$1|" <<<"$styles" || echo "$1|#555555|1.5|1|0.9")
    echo "lc rgb '$colour' lw $width pt $point ps $size"
}

# peers_in FILE FILTER: the peers of its results that FILTER lets through, in the order of the styles.
peers_in() {
    jq -r "[.results[] | select($2) | .peer] | unique[]" "$1" | awk -F'|' -v styles="$styles" '
        BEGIN { n = split(styles, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], field, "|"); place[field[1]] = i } }
        { print ($1 in place ? place[$1] : 99) "|" $1 }' | sort -t'|' -k1,1n | cut -d'|' -f2
}

# ---- Small print

config() {
    jq -r '.machine // {}
        | [.cpu, (if .cores then "\(.cores) cores" else null end), .kernel, .compiler, .allocator, .date]
        | map(select(. != null and . != "")) | join(", ") | gsub("[\"\\\\]"; "")' "$1"
}

# plot NAME HEIGHT FILE TITLE WHAT: gnuplot's commands for the plot itself come from standard input.
plot() {
    {
        cat <<END
set terminal svg size 800,$2 noenhanced font "DejaVu Sans,Helvetica,Arial,sans-serif,13" background "#ffffff" name "$1"
set output "$to/$1.svg"
set lmargin at screen 0.11
set rmargin at screen 0.74
set tmargin at screen 1 - 46.0 / $2
set bmargin at screen 104.0 / $2
set key at screen 0.995, 1 - 46.0 / $2 right top Left reverse samplen 2.2 spacing 1.15 width -2 font ",12"
set xlabel offset 0,0.3
set border 3 lc rgb "#555555"
set tics nomirror out
set grid x y mytics lc rgb "#d4d4d4" lw 1, lc rgb "#eeeeee" lw 1
set label 100 "$4" at screen 0.01, 1 - 18.0 / $2 font ",15"
set label 101 "$5" at screen 0.01, 28.0 / $2 font ",10" textcolor rgb "#555555"
set label 102 "$(config "$3")" at screen 0.01, 12.0 / $2 font ",10" textcolor rgb "#555555"
END
        cat
    } >"$work/$1.gp"
    gnuplot "$work/$1.gp"
    # Its own mark of version and time is no part of the picture.
    sed -i 's/[ \t]*$//' "$to/$1.svg"
    echo "$to/$1.svg"
}

join_lines() { sed 's/$/, \\/' | sed '$s/, \\$//'; }

# ---- Throughput by something: FIELD of the results
throughput() {
    local name=$1 field=$2 title=$3 what=$4 commands=$5 log=false peer i=0 file=$from/$1.json
    case $commands in *'logscale x'*) log=true ;; esac
    [ -f "$file" ] || return 0
    : >"$work/$name.plot"
    while read -r peer; do
        i=$((i + 1))
        jq -r --arg peer "$peer" "[.results[] | select(.peer == \$peer and .mops > 0 and .$field != null)]
            | sort_by(.$field)[] | [.$field, .mops] | @tsv" "$file" >"$work/$name.$i"
        echo "'$work/$name.$i' using 1:2 with linespoints $(style "$peer") title '$peer'" >>"$work/$name.plot"
    done < <(peers_in "$file" ".mops > 0 and .$field != null")
    [ -s "$work/$name.plot" ] || return 0
    {
        echo "set logscale y"
        echo "set ylabel 'million look-ups a second' offset 1,0"
        echo "$commands"
        jq -r --argjson log "$log" '[.results[] | select(.mops > 0) | .'"$field"' | values] | [min, max]
            | if $log then [.[0] / 1.15, .[1] * 1.15] else [.[0] - 0.03, .[1] + 0.03] end
            | "set xrange [\(.[0]):\(.[1])]"' "$file"
        echo "plot \\"
        join_lines <"$work/$name.plot"
    } | plot "$name" 520 "$file" "$title" "$what"
}

# ---- Latency: a row each peer, three points on it
latency() {
    local file=$from/peers.json peer row=0 filter='.workload == "churn" and .threads == 2 and .p50_ns > 0'
    : >"$work/latency.plot"
    : >"$work/latency.tics"
    while read -r peer; do
        jq -r --arg peer "$peer" "[.results[] | select(.peer == \$peer and $filter)][0]
            | [.p50_ns, .p99_ns, .p999_ns] | map(. // \"NaN\") | @tsv" "$file" >"$work/latency.$row"
        {
            echo "'$work/latency.$row' using 1:(-$row):(\$3 - \$1):(0) with vectors nohead $(style "$peer" | sed 's/ pt.*//') notitle"
            echo "'$work/latency.$row' using 1:(-$row) with points $(style "$peer" | sed 's/ pt.*//') pt 7 ps 1.1 notitle"
            echo "'$work/latency.$row' using 2:(-$row) with points $(style "$peer" | sed 's/ pt.*//') pt 5 ps 1.1 notitle"
            echo "'$work/latency.$row' using 3:(-$row) with points $(style "$peer" | sed 's/ pt.*//') pt 9 ps 1.4 notitle"
        } >>"$work/latency.plot"
        echo "'$peer' -$row" >>"$work/latency.tics"
        row=$((row + 1))
    done < <(peers_in "$file" "$filter")
    [ "$row" -gt 0 ] || return 0
    {
        echo "NaN with points lc rgb '#444444' pt 7 ps 1.1 title '50 %'"
        echo "NaN with points lc rgb '#444444' pt 5 ps 1.1 title '99 %'"
        echo "NaN with points lc rgb '#444444' pt 9 ps 1.4 title '99.9 %'"
    } >>"$work/latency.plot"
    {
        echo "set lmargin at screen 0.20; set rmargin at screen 0.86; set key width 0"
        echo "set logscale x; set xlabel 'nanoseconds'; set format x '%.0f'"
        echo "set yrange [-$row + 0.4 : 0.6]; unset grid; set grid x lc rgb '#d4d4d4' lw 1"
        echo "set ytics ($(paste -sd, "$work/latency.tics")) scale 0"
        echo "plot \\"
        join_lines <"$work/latency.plot"
    } | plot latency $((190 + 34 * row)) "$file" 'Latency of a look-up in churn, 2 threads' \
        'churn: get or insert, zipf 0.9 over 4 x the capacity; 16-byte keys, 64-byte values.'
}

# ---- Ratios: a row each workload, a point each peer; above 1 Brim is faster
ratios() {
    local file=$from/peers.json peer i=0 rows
    jq -r '
        [.results[] | select(.threads == 2 and .mops > 0)] as $all
        | [["zipf-hit", 100000, "brim find"], ["zipf-hit", 1000000, "brim find"], ["key-hit", 1000000, "brim key_find"],
           ["hot-key", null, "brim find"], ["churn", null, "brim find"], ["insert-remove", null, "brim find"],
           ["mixed", null, "brim find"], ["pinned", null, "brim find"]]
        | map(. as [$w, $e, $brim]
            | [$all[] | select(.workload == $w and ($e == null or .entries == $e))] as $here
            | ([$here[] | select(.peer == $brim)][0].mops) as $own
            | select($own != null)
            | {name: ($w + (if $e == null then "" elif $e >= 1000000 then ", \($e / 1000000) M" else ", \($e / 1000) k" end)),
               ratios: [$here[] | select(.peer | startswith("brim") | not) | {peer, ratio: ($own / .mops)}]})
        | to_entries[] | .key as $row | .value.name as $name | .value.ratios[] | [$row, $name, .peer, .ratio] | @tsv' \
        "$file" >"$work/ratios.tsv"
    [ -s "$work/ratios.tsv" ] || return 0
    rows=$(cut -f1 "$work/ratios.tsv" | sort -nu | tail -1)
    : >"$work/ratios.plot"
    while read -r peer; do
        i=$((i + 1))
        awk -F'\t' -v peer="$peer" '$3 == peer { print $4, -$1 }' "$work/ratios.tsv" >"$work/ratios.$i"
        [ -s "$work/ratios.$i" ] || continue
        echo "'$work/ratios.$i' using 1:(\$2 + 0.36 - 0.12 * $i) with points $(style "$peer") title '$peer'" >>"$work/ratios.plot"
    done < <(peers_in "$file" '.peer | startswith("brim") | not')
    {
        echo "set lmargin at screen 0.17"
        echo "set logscale x; set xtics (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100); set xlabel 'Brim / peer'"
        cut -f4 "$work/ratios.tsv" | awk '{ if (NR == 1 || $1 < min) min = $1; if ($1 > max) max = $1 }
            END { printf "set xrange [%g:%g]\n", (min * 0.85 < 0.8 ? min * 0.85 : 0.8), (max * 1.2 > 2 ? max * 1.2 : 2) }'
        echo "set yrange [-$rows - 0.5 : 0.5]; unset grid; set grid x lc rgb '#d4d4d4' lw 1"
        echo "set ytics ($(cut -f1,2 "$work/ratios.tsv" | sort -u | awk -F'\t' '{ printf "%s\"%s\" -%d", (NR > 1 ? ", " : ""), $2, $1 }')) scale 0"
        for ((i = 0; i < rows; i++)); do
            echo "set arrow from graph 0, first -$i - 0.5 to graph 1, first -$i - 0.5 nohead lc rgb '#eeeeee' back"
        done
        echo "set arrow 100 from 1, graph 0 to 1, graph 1 nohead lc rgb '#0072B2' lw 3 back"
        echo "plot \\"
        join_lines <"$work/ratios.plot"
    } | plot ratios $((190 + 46 * (rows + 1))) "$file" 'Brim as a multiple of each peer, 2 threads' \
        "Brim by brim_find, in key-hit by handle; look-ups or operations a second in one run. Right of 1 Brim is faster."
}

small='Look-up: find, read 8 bytes of the value, release; 16-byte keys, 64-byte values; all hit'
throughput threads threads 'Throughput by threads' "$small; 100 k entries, zipf 0.99." \
    "set logscale x 2; set xlabel 'threads'"
throughput entries entries 'Throughput by entries' "$small; 2 threads, zipf 0.99." \
    "set logscale x; set xlabel 'entries'; set xtics ('1 k' 1e3, '10 k' 1e4, '100 k' 1e5, '1 M' 1e6, '10 M' 1e7)"
throughput skew skew 'Throughput by skew' "$small; 2 threads, 100 k entries." \
    "set xlabel 'zipf exponent'"
latency
ratios

jq -n -r -f "$here/page.jq" --slurpfile peers "$from/peers.json" \
    --slurpfile instructions "$instructions" >"$work/README.md"
# Plots that there were no measurements for.
awk -v to="$to" '
    match($0, /^!\[.*\]\(.*\.svg\)$/) {
        file = $0; sub(/.*\(/, "", file); sub(/\).*/, "", file)
        left_out = system("test -f \"" to "/" file "\"") != 0
        if (left_out) next
    }
    left_out && $0 == "" { left_out = 0; next }
    { left_out = 0; print }' "$work/README.md" | cat -s >"$to/README.md"
echo "$to/README.md"
