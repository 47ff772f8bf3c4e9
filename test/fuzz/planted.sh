#!/usr/bin/env bash
# planted.sh [sequences] [PLANT...]
# Check that build/fuzz/operations finds mistakes that are planted in copies of the library's files, each within a
# minute of processor time, and print how long each took; `sequences': that build/sequences/sequences does, which has no
# sanitizers, those and two more, each within five million, and print in which.  Ends with 1 if one survives.
set -euo pipefail
cd "$(dirname "$0")/../.."

limit=60
most=5000000
variant=fuzz
if [ "${1:-}" = sequences ]; then
    variant=sequences
    shift
fi
work=build/$variant/planted
mkdir -p "$work"
cc=$(make -s --no-print-directory "print-CC_$variant")
flags="$(make -s --no-print-directory print-STANDARD) $(make -s --no-print-directory "print-FLAGS_$variant") -Iinclude -Ilib -w"
libs=$(make -s --no-print-directory print-LIB_SRC)
parts="test/fuzz/operations test/fuzz/pool $(make -s --no-print-directory print-MODEL_SRC | sed 's/\.c\>//g')"
survived=0

# plant NAME FILE FROM TO: FROM is a line's part, as it stands there.
plant() {
    local name=$1 file=$2 from=$3 to=$4 objects=() source
    if [ "${#wanted[@]}" -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return; fi
    FROM=$from TO=$to awk 'BEGIN { from = ENVIRON["FROM"]; to = ENVIRON["TO"] }
        (at = index($0, from)) && !done { $0 = substr($0, 1, at - 1) to substr($0, at + length(from)); done = 1 }
        { print } END { exit !done }' "$file" >"$work/$name.c" || { echo "$name: not planted"; exit 2; }
    # shellcheck disable=SC2086 # flags are words
    $cc $flags -I"$(dirname "$file")" -c -o "$work/$name.o" "$work/$name.c"
    for source in $libs; do
        if [ "$source" = "$file" ]; then objects+=("$work/$name.o"); else objects+=("build/$variant/obj/${source%.c}.o"); fi
    done
    for source in $parts; do objects+=("build/$variant/obj/$source.o"); done
    "hunt_in_$variant" "$name" "${objects[@]}" || { echo "$name survived" && survived=$((survived + 1)); }
}

# hunt_in_fuzz NAME OBJECT...: false: nothing was found.
hunt_in_fuzz() {
    local name=$1 found
    shift
    # shellcheck disable=SC2086
    $cc $flags -fsanitize=fuzzer -o "$work/$name" "$@" -lm -pthread
    found=$(mktemp -d)
    TIMEFORMAT='%U'
    { time (ulimit -t "$limit"; "$work/$name" -seed=1 -max_len=400 -print_funcs=0 -artifact_prefix="$work/$name-" \
        "$found" test/fuzz/corpus/operations >"$work/$name.log" 2>&1) || true; } 2>"$work/$name.time"
    rm -rf "$found"
    grep -aqE 'ERROR: |SUMMARY: ' "$work/$name.log" || return 1
    printf '%-24s %6s s  %s\n' "$name" "$(tail -n 1 "$work/$name.time")" \
        "$(grep -aoEm1 'test/model/.*|AddressSanitizer: .*|runtime error: .*' "$work/$name.log" | head -c 90)"
}

hunt_in_sequences() {
    local name=$1
    shift
    # shellcheck disable=SC2086
    $cc $flags -o "$work/$name" build/sequences/obj/test/fuzz/sequences.o "$@" -lm -pthread
    "$work/$name" "$most" >"$work/$name.log" 2>&1 && return 1
    printf '%-24s %8s  %s\n' "$name" "$(sed -n 's/^sequence \([0-9]*\) is wrong.*/\1/p' "$work/$name.log")" \
        "$(grep -aoEm1 'test/model/.*|.* leaked|.* was written to.*|is wrong: .*' "$work/$name.log" | head -c 90)"
}

wanted=("$@")
plant replace_keeps_options lib/cache/insert.c 'in->work = old->work;' 'return BRIM_OK;'
plant destroy_forgets_cost lib/cache/dispose.c 'admit_freed(c, by, k, charge, keep);' 'admit_freed(c, by, k, charge / 2, keep);'
plant group_off_by_one lib/entry/extra.c 'if (now != g->member[i].generation)' 'if (now > g->member[i].generation + 2)'
plant age_late lib/entry/extra.c 'now - a->born >= a->max_age' 'now - a->born > a->max_age'
plant idle_seldom lib/entry/extra.c 'a->max_idle / 8' 'a->max_idle / 2'
plant load_not_overtaken lib/shard/shard.c 'overtake_of_locked(sh, l->e, &l->forgotten);' '(void)0;'
plant section_ignored lib/cache/dispose.c 'if (c->borrow)' 'if (c->borrow && entry_cost(e) % 16 != 0)'
plant failure_too_long lib/shard/shard_load.c 'f->until = until;' 'f->until = until + 2;'
plant late_waiter_shares lib/shard/flight.c 'bool shares = !w->late || status == BRIM_CANCELED;' 'bool shares = true;'
plant frame_off_by_one lib/shard/shard_evict.c 'w->before_frame) >= 0' 'w->before_frame) > 0'
# Which libFuzzer, whose inputs grow slowly, does not meet within a minute.
if [ $variant = sequences ]; then
    plant frame_unprotected lib/shard/shard_evict.c 'level_of(sh, e) > w->frame_too' 'level_of(sh, e) > w->frame_too + 2'
    plant queue_reversed lib/cache/queue.c 'entry_list_push(&q->list, e);' 'if (q->list.head == NULL) entry_list_push(&q->list, e); else { atom_store_release(&e->next, (uintptr_t)q->list.head | 1); q->list.head = e; }'
fi
plant entry_not_counted_out lib/shard/shard.c 'budget_give(sh->common->entries, 1);' '(void)sh;'
plant idle_too_soon lib/cache/frame.c 'enum { UNUSED = 2 };' 'enum { UNUSED = 1 };'
plant ceiling_passed lib/shard/limit.c 'while ((int64_t)room >= (int64_t)n)' 'while ((int64_t)room >= (int64_t)(n / 2))'
plant floor_ignored lib/shard/limit.c 'if (linked < n || linked - n < floor)' 'if (linked < n)'
plant drop_old_forgotten lib/cache/insert.c 'if (refused && (in->drop_old || in->wrap_refused)' 'if (refused && in->wrap_refused'
plant queue_takes_one_more lib/cache/queue.c 'while (n < max && (e = pop_locked(q)) != NULL) {' 'while (n <= max && (e = pop_locked(q)) != NULL) {'
plant nomem_leaks lib/cache/load.c 'if (!make_entries(l, r->by.t, &r->in)) {' 'if (!make_entries(l, r->by.t, &r->in)) { return BRIM_NOMEM;'
plant set_cost_unpinned lib/shard/shard.c 'shard_pin(st, e, more);' '(void)st;'
plant written_after_freed lib/cache/kind.c 'mem_free(&c->mem, k, sizeof *k, KIND_ALIGN);' '{ mem_free(&c->mem, k, sizeof *k, KIND_ALIGN); *(volatile char *)k = 1; }'
[ "$survived" -eq 0 ]
