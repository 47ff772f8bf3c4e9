#!/usr/bin/env bash
# layers.sh
# Check that shared state goes through lib/base alone, and the directions of the includes:
#   base <- part <- entry <- modules of shard/ <- shard/shard* <- cache, and of lib/ bench/ sees nothing.
# The modules beside shard (index, policy, budget, flight) never include one another.
set -euo pipefail
cd "$(dirname "$0")/../.."

# describe FILE: its rank, and the module that it belongs to.
describe() {
    local directory=${1#lib/}
    directory=${directory%%/*} module=${1##*/}
    module=${module%.*}
    case $directory/$module in
    base/*) rank=1 module=base ;;
    part/*) rank=2 module=part ;;
    entry/*) rank=3 module=entry ;;
    shard/shard | shard/shard_*) rank=5 module=shard ;;
    shard/*) rank=4 module=${module%%_*} ;;
    cache/*) rank=6 module=cache ;;
    *) rank=0 module=unknown ;;
    esac
}

bad=0
complain() {
    echo "$1:$2: $3"
    bad=$((bad + 1))
}

# check_lib FILE LINE INCLUDED
check_lib() {
    local target from_rank from_module
    if [ -e "include/$3" ]; then
        return
    elif [ -e "lib/$3" ]; then
        target=lib/$3
    elif [ -e "${1%/*}/$3" ]; then
        target=$(realpath --relative-to=. "${1%/*}/$3")
    else
        complain "$1" "$2" "\"$3\" is neither in include/ nor in lib/"
        return
    fi
    describe "$1"
    from_rank=$rank from_module=$module
    describe "$target"
    if [ "$rank" -eq 0 ] || [ "$from_rank" -eq 0 ]; then
        complain "$1" "$2" "$target: a file of no layer"
    elif [ "$rank" -gt "$from_rank" ]; then
        complain "$1" "$2" "$from_module must not include $target"
    elif [ "$rank" -eq "$from_rank" ] && [ "$module" != "$from_module" ]; then
        complain "$1" "$2" "siblings: $from_module must not include $target"
    fi
}

# check_bench FILE LINE INCLUDED
check_bench() {
    local target=include/$3
    if [ -e "${1%/*}/$3" ]; then
        target=${1%/*}/$3
    fi
    case $(realpath -m --relative-to=. "$target") in
    bench/* | include/*) ;;
    *) complain "$1" "$2" "bench/ must not include \"$3\"" ;;
    esac
    [ -e "$target" ] || complain "$1" "$2" "\"$3\" is neither here nor in include/"
}

count=0
while IFS=: read -r file line text; do
    included=${text#*[\"<]}
    included=${included%%[\">]*}
    # <...> is for the system, but -Ilib would let it reach lib/ too.
    if [[ $text == *'<'* && ! -e lib/$included ]]; then
        continue
    fi
    count=$((count + 1))
    case $file in
    lib/*) check_lib "$file" "$line" "$included" ;;
    bench/*) check_bench "$file" "$line" "$included" ;;
    esac
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' --include='*.[ch]' lib bench)

# Shared state goes through base/atom.h and base/lock.h alone.
while IFS=: read -r file line text; do
    complain "$file" "$line" "not through lib/base: ${text## }"
done < <(grep -rnE '_Atomic|stdatomic\.h|\<atomic_(load|store|fetch|exchange|compare|thread|signal)|__atomic|__sync|pthread_(mutex|cond|rwlock|spin)' \
    --include='*.[ch]' lib | grep -vE '^lib/base/(atom|lock)\.[ch]:' || true)

echo "layers: $count includes, $bad wrong"
[ "$bad" -eq 0 ]
