#!/usr/bin/env bash
# check.sh BRIM_BENCH BRIM_TOP
# Check what BRIM_TOP prints of programs that publish, among them a running BRIM_BENCH, however their statistics come, and
# that bad input ends it with status 2 and one message.
set -euo pipefail

bench=$(realpath "$1") top=$(realpath "$2")
here=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null; rm -rf "$here"' EXIT
cd "$here"
export XDG_RUNTIME_DIR=$here LC_ALL=C.UTF-8 COLUMNS=80
failures=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*"
    sed 's/^/    | /' out err 2>/dev/null || true
}

# look ARGUMENT...: leaves `out'.
look() { "$top" "$@" >out 2>err || fail "brim-top $*: status $?"; }
says() { grep -Eq -- "$1" out || fail "not '$1'"; }
narrow() { [ "$(wc -L <out)" -le "$1" ] || fail "wider than $1"; }

# bad STATUS PATTERN ARGUMENT...: PATTERN is of the whole message, after the program's name.
bad() {
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$top" "$@" >out 2>err </dev/null || status=$?
    if [ "$status" -ne "$wanted" ] || [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -Eqx "brim-top: ($pattern)" err; then
        fail "$*: status $status, not $wanted with '$pattern'"
    fi
}

# until COMMAND...: it succeeds, in a while.
until_() {
    local i
    for ((i = 0; i < 200; i++)); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    fail "never: $*"
}

bad 1 'no program publishes its caches \(see --help\)' --once

# ---- A program that runs

"$bench" run --workload churn --threads 1 --seconds 60 --publish >bench.log 2>&1 &
started+=($!)
pid=$!
until_ jq -e '.statistics.caches[0].misses > 0' "brim/$pid.json"
[ "$(stat -c %a brim)" = 700 ] || fail 'others may look'

look --once
narrow 80
says "^brim-top [0-9:]{8}  brim-bench \($pid\), 1 cache  every 1 s, by used$"
says '^CACHE kind           USED     OF  ENTR HIT% NOW% FIND/s INS/s EVIC/s LOAD   HELD$'
says '^!?bench +\[#####\] 6.10Mi 6.10Mi  100k +[0-9.]+ +[0-9.]+ +[0-9.]+[kM]? +[0-9.]+[kM]? +[0-9.]+[kM]? +0 +[0-9]+$'
look --once "$pid"
says '^!?bench '
look "$pid" # no terminal: as --once
says '^!?bench '
look --json --interval 2 "$pid"
jq -e --argjson pid "$pid" '.caches[0] | .pid == $pid and .program == "brim-bench" and .used <= .capacity and
    .rates.finds > 0 and .rates.insertions > 0 and .rates.hit_ratio > 0 and .rates.hit_ratio <= 1 and
    (.kinds | length == 1) and .kinds[0].rates.finds > 0' out >/dev/null || fail 'the JSON is wrong'

# What is printed is what the program said.
cp "brim/$pid.json" still.json
look --once --interval 0.1 still.json
wanted=$(jq -r '.statistics.caches[0] | "\(.used * 100 / 1048576 | round / 100) \(1000 * .hits / (.hits + .misses) | floor / 10)"' still.json)
shown=$(awk '/^!?bench/ { sub("Mi", "", $3); print $3 + 0, $6 + 0; exit }' out)
[ "$wanted" = "$shown" ] || fail "shown is '$shown', not '$wanted'"
for columns in 40 60 120 200; do
    COLUMNS=$columns look -1 -i 0.1 still.json
    narrow "$columns"
done

kill "$pid"
wait "$pid" 2>/dev/null || true
bad 2 "no process $pid runs" --once "$pid"
bad 1 'no program publishes its caches \(see --help\)' --once

# ---- Where statistics come from; numbers that are known

sleep 300 &
started+=($!)
pid=$!
cat >plain.json <<'END'
{"caches":[{"name":"tiles \u001b[31m","hits":999,"misses":1,"insertions":12345678,"left":{"evicted":7},"capacity":1048576,
"used":524288,"count":1023,"pinned":1023,"loading":3,"loads":4,"load_ns":6000000,
"kinds":[{"name":"glyph","hits":5,"used":1000,"values":5,"pinned":0,"ceiling":2000}]}]}
END
look -1 -i 0.1 plain.json
says '^tiles \?\[31 \[###\.\.\] +512Ki 1\.00Mi 1\.02k 99\.9 +- +0 +0 +0 +3 1\.00Ki$'
says '^  glyph +\[###\.\.\] 0\.98Ki 1\.95Ki +5 +- +- +0 +0 +0 +- +0$'
says '^tiles .*: plain.json$'
says '  loads 4 \(0/s\), failed 0, waited for 0; mean 1\.5 ms$'
mkdir several
jq -c "{pid: $pid, program: \"one\", time_ns: 5, problems: [[\"it is \\\"bad\\\"\"]], statistics: .}" plain.json >"several/$pid.json"
echo '{"caches": [' >several/$$.json
"$top" -1 -i 0.1 several >out 2>err || true
grep -q "several/$$.json: not JSON" err || fail 'the half file is not told'
rm several/$$.json
echo '{}' >several/notes.json
look -1 -i 0.1 several
says "^brim-top [0-9:]{8}  one \($pid\), 1 cache"
says '^  ! it is "bad"$'

cat >serve.py <<'END'
import http.server, socket, sys, threading
text = open("plain.json", "rb").read()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/stats.json" else 404)
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket")
listener.listen()
with open("port.new", "w") as f:
    f.write(str(server.server_port))
import os
os.rename("port.new", "port")
while True:
    connection = listener.accept()[0]
    connection.sendall(text)
    connection.close()
END
python3 serve.py &
started+=($!)
until_ test -e port
look -1 -i 0.1 "http://127.0.0.1:$(cat port)/stats.json"
says '^tiles'
look -1 -i 0.1 socket
says '^tiles'
bad 2 "http://127.0.0.1:[0-9]*/other: the server says 'HTTP/1.0 404 Not Found'" -1 "http://127.0.0.1:$(cat port)/other"

# ---- Bad input

printf '{"caches":[{"name":"a","capac' >half.json
printf '\0\1\2' >bytes
echo '{"caches": [{"name": 5, "capacity": 1}]}' >wrong.json
mkfifo pipe
bad 2 'half.json: not JSON: .*' -1 half.json
bad 2 'bytes: not JSON: .*' -1 bytes
bad 2 'wrong.json: no statistics of Brim' -1 wrong.json
bad 2 'missing: No such file or directory' missing
bad 2 'pipe: neither a file nor a socket' pipe
bad 2 'http://: not an address as .*' http://
bad 2 'http://127.0.0.1:99999999/x: not an address as .*' http://127.0.0.1:99999999/x
bad 2 "no process 4194399 runs" 4194399
bad 2 "unknown option --nothing \(see --help\)" --nothing
bad 2 "unknown option -q \(see --help\)" -q1
bad 2 "--interval needs a value \(see --help\)" --interval
bad 2 "--interval: 'x' is not a number" -i x
bad 2 "--interval: 0 is not between 0.1 and 60" -i 0
bad 2 "--sort: 'size' is neither .*" -s size
bad 2 "process $$ publishes nothing \(.*/brim/$$.json\)" $$

# ---- Conventions

for program in "$bench" "$top"; do
    "$program" --version | grep -Ex "$(basename "$program") \(Brim\) [0-9]+\.[0-9]+\.[0-9]+( .*)?" >/dev/null || fail "$program --version"
    "$program" -h | grep 'Exit status: 0' >/dev/null || fail "$program -h"
done
"$bench" run -w hot-key -t 1 -s 0.1 -e 100 -j - >out 2>err || fail 'brim-bench run'
jq -e '.workload == "hot-key" and .threads == 1' out >/dev/null || fail '--json - is not the JSON alone'
grep -q '^workload ' err || fail 'nothing else is said'
if grep -q '%' <(sed '/^latency/d; /^operations/d' err); then fail 'progress, without a terminal'; fi

[ "$failures" -eq 0 ] && echo 'top: well'
