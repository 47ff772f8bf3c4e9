# docs/benchmarks/README.md, from the measurements: $peers and $instructions are --slurpfiles.

def hyperclock: "rocksdb hyperclock";
def lru: "rocksdb lru";
def is_brim: startswith("brim");

# ---- Numbers

def decimals($n): . * pow(10; $n) | round | tostring
    | if $n == 0 then . else
        (if startswith("-") then "-" else "" end) as $sign | ltrimstr("-")
        | ("0" * ([0, $n + 1 - length] | max) // "") + .
        | $sign + .[:-$n] + "." + .[-$n:] end;
def short: if . == null then "–" elif . >= 100 then decimals(0) elif . >= 10 then decimals(1) else decimals(2) end;
def count: if . >= 1000000 and . % 1000000 == 0 then "\(. / 1000000) M"
    elif . >= 1000 and . % 1000 == 0 then "\(. / 1000) k" else tostring end;
def ratio($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;

# ---- Results

def results: $peers[0].results[];
def machine: $peers[0].machine // {};

# One result; $entries null: whichever there is.
def result($workload; $peer; $threads; $entries):
    first(results | select(.workload == $workload and .peer == $peer and .threads == $threads
        and ($entries == null or .entries == $entries))) // null;
def mops($workload; $peer; $threads; $entries): result($workload; $peer; $threads; $entries) | .mops?;
def best_peer($workload; $threads):
    [results | select(.workload == $workload and .threads == $threads and .mops != null
        and (.peer | is_brim | not))] | max_by(.mops);

# ---- What to reach

def row($what; $wanted; $measured; $reached):
    {what: $what, wanted: $wanted, measured: ($measured // "not measured"),
     reached: (if $measured == null then "–" elif $reached then "yes" else "**no**" end)};
def at_least($what; $least; $of; $ratio; $note):
    row($what; "≥ \($least) × \($of)"; $ratio | if . == null then null else short + $note end;
        $ratio != null and $ratio >= $least);
def beside($what; $workload; $brim; $threads; $entries; $peer; $name; $least):
    at_least($what + (if $threads == 1 then ", 1 thread" else ", \($threads) threads" end); $least; $name;
        ratio(mops($workload; $brim; $threads; $entries); mops($workload; $peer; $threads; $entries)); "");
def beside_best($what; $workload; $threads; $least):
    best_peer($workload; $threads) as $best
    | at_least($what + (if $threads == 1 then ", 1 thread" else ", \($threads) threads" end); $least; "best peer";
        ratio(mops($workload; "brim find"; $threads; null); $best.mops?); " (\($best.peer?))");

def churn_hits:
    best_peer("churn"; 2).hit_ratio? as $peer | result("churn"; "brim find"; 2; null).hit_ratio? as $own
    | row("`churn`, hit ratio, 2 threads"; "≥ the best peer's";
        if $peer == null or $own == null then null
        else "\($own * 100 | decimals(2)) % to \($peer * 100 | decimals(2)) %" end;
        $peer != null and $own != null and $own >= $peer);
def churn_latency:
    ratio(result("churn"; "brim find"; 2; null).p999_ns?; result("churn"; lru; 2; null).p999_ns?) as $r
    | row("`churn`, latency of a look-up, 99.9 %, 2 threads"; "≤ LRU / 4"; $r | if . == null then null else short + " × LRU" end;
        $r != null and $r <= 0.25);
def memory:
    result("zipf-hit"; "brim find"; 2; 1000000).bytes_per_entry? as $b
    | row("memory an entry, beyond value and key, 1 M entries"; "≤ 88 bytes"; $b | if . == null then null else short + " bytes" end;
        $b != null and $b <= 88);
def growth:
    ([$instructions[0].results[]? | select(.what == "find")] | sort_by(.entries)) as $f
    | (if ($f | length) > 1 then ratio($f[-1].instructions; $f[0].instructions) else null end) as $r
    | row("growth: instructions a find" + (if $r == null then "" else ", \($f[0].entries | count) to \($f[-1].entries | count) entries" end);
        "within 10 %"; $r | if . == null then null else "× " + decimals(3) end; $r != null and $r <= 1.1 and $r >= 1 / 1.1);

def reach: [
    (1, 2 | beside("`zipf-hit`, 100 k, find"; "zipf-hit"; "brim find"; .; 100000; hyperclock; "HC"; 2.5)),
    (1, 2 | beside("`zipf-hit`, 1 M, find"; "zipf-hit"; "brim find"; .; 1000000; hyperclock; "HC"; 1.5)),
    (1, 2 | beside("`zipf-hit`, 1 M, find"; "zipf-hit"; "brim find"; .; 1000000; lru; "LRU"; 4)),
    (1, 2 | beside("`zipf-hit`, 1 M, 16 at once"; "zipf-hit"; "brim find_many"; .; 1000000; hyperclock; "HC"; 3)),
    (1, 2 | beside("`key-hit`, 1 M, by handle"; "key-hit"; "brim key_find"; .; 1000000; hyperclock; "HC"; 2.5)),
    beside("`hot-key`, find"; "hot-key"; "brim find"; 2; null; hyperclock; "HC"; 1.4),
    beside("`hot-key`, peek"; "hot-key"; "brim peek"; 2; null; hyperclock; "HC"; 20),
    at_least("`hot-key`, peek, 2 threads"; 1.8; "its own 1 thread";
        ratio(mops("hot-key"; "brim peek"; 2; null); mops("hot-key"; "brim peek"; 1; null)); ""),
    beside_best("`churn`"; "churn"; 2; 1.2),
    churn_hits,
    beside_best("`insert-remove`"; "insert-remove"; 2; 1.2),
    (1, 2 | beside_best("`mixed`"; "mixed"; .; 1.5)),
    at_least("`mixed`, 64 threads"; 0.9; "its own 2 threads";
        ratio(mops("mixed"; "brim find"; 64; null); mops("mixed"; "brim find"; 2; null)); ""),
    at_least("`pinned`, 2 threads"; 0.7; "`churn`";
        ratio(mops("pinned"; "brim find"; 2; null); mops("churn"; "brim find"; 2; null)); ""),
    churn_latency, memory, growth,
    row("a million cleared or swept: no shard mutex over 100 µs, at most 256 entries a hold"; "≤ 100 µs"; null; false)
];

# ---- The page

def lines_of($columns; $rows): "| " + ($columns | join(" | ")) + " |", "|" + ($columns | map("---") | join("|")) + "|",
    ($rows[] | "| " + join(" | ") + " |");

def reach_table: lines_of(["what", "wanted", "measured", "reached"]; reach | map([.what, .wanted, .measured, .reached]));

def about: {
    "zipf-hit": "look-ups that all hit, zipf 0.99.",
    "key-hit": "look-ups that all hit; Brim's key_find by handle, without hashing.",
    "hot-key": "look-ups of one key.",
    "churn": "get or insert, zipf 0.9 over four times the capacity.",
    "insert-remove": "pairs of them, a hundred entries alive over all threads.",
    "mixed": "90 % look-ups, 5 % inserts, 5 % removals, zipf 0.99.",
    "pinned": "`churn` with three quarters of the capacity held."
};
def order: ["brim find", "brim find_many", "brim peek", "brim peek_many", "brim key_find", hyperclock, lru, "leveldb",
    "glib lru", "qt qcache", "onetbb"];
def place($list): . as $x | ($list | index($x)) // 99;

def mops_cell: if . == null or .mops == null then "–"
    elif .mops_min? != null and .mops_max? != null then "\(.mops | short) (\(.mops_min | short)–\(.mops_max | short))"
    elif .spread? != null then "\(.mops | short) (± \(.spread | short))" else .mops | short end;
def percent: if . == null then "–" else "\(. * 100 | decimals(1)) %" end;

def workload_section($workload):
    [results | select(.workload == $workload)] as $all
    | ([$all[] | {entries, threads}] | unique) as $columns
    | ([$all[] | select(.threads <= 2) | {entries, threads}] | max_by([.entries, .threads])) as $detail
    | ([$all[].peer] | unique | sort_by([place(order), .])) as $names
    | "", "### " + $workload, "",
      "\((about[$workload] // "") | if . == "" then "" else .[:1] | ascii_upcase end)\((about[$workload] // "")[1:])"
      + (if $detail == null then "" else
          " The columns on the right: \($detail.threads) threads, \($detail.entries | count) entries; latencies in nanoseconds." end),
      "",
      lines_of(["M a second"] + [$columns[] | "\(.threads) × \(.entries | count)"]
          + (if $detail == null then [] else ["hits", "50 %", "99 %", "99.9 %", "bytes an entry"] end);
        [$names[] as $name
         | [if $name | is_brim then "**\($name)**" else $name end]
           + [$columns[] as $c | first($all[] | select(.peer == $name and .threads == $c.threads and .entries == $c.entries)) // null | mops_cell]
           + (if $detail == null then [] else
               (first($all[] | select(.peer == $name and .threads == $detail.threads and .entries == $detail.entries)) // {})
               | [(.hit_ratio | percent), (.p50_ns | short), (.p99_ns | short), (.p999_ns | short), (.bytes_per_entry | short)] end)]);

def plot($file; $alt): "![\($alt)](\($file))", "";

def page:
    "# Benchmarks", "",
    "Brim beside other caches, all in one process run, round by round in turns, with the same keys, values, capacity and",
    "allocator. Ratios count only within one run; on another machine, or another day, all figures move. Redo it with", "",
    "    make report                # measure, some eight minutes, and write this page",
    "    make instructions          # the line about growth: what callgrind counts",
    "    bench/report/page.sh       # only the page, from the measurements in build/report", "",
    "A look-up is: find, read eight bytes of the value, release; in a section: peek, read. Keys have 16 bytes, values 64;",
    "every value read is checked. A figure is the median of the rounds, with the lowest and the highest. Columns are",
    "threads × entries.", "",
    "\(machine | [.cpu, (if .cores then "\(.cores) cores" else null end), .kernel, .compiler, .allocator, .date] | map(select(. != null and . != "")) | join("; ")).",
    "", "## To reach", "",
    "HC is RocksDB's HyperClockCache, LRU its LRUCache; the best peer is the fastest of all that are not Brim.", "",
    reach_table,
    "", "## Plots", "",
    plot("ratios.svg"; "Brim's throughput divided by each peer's, by workload"),
    plot("threads.svg"; "Throughput by threads"),
    plot("entries.svg"; "Throughput by entries"),
    plot("skew.svg"; "Throughput by skew"),
    plot("latency.svg"; "Latency of look-ups in churn"),
    "## Workloads",
    ([results.workload] | unique
        | sort_by([place(["zipf-hit", "key-hit", "hot-key", "churn", "insert-remove", "mixed", "pinned"]), .]) | .[]
        | workload_section(.));

page
