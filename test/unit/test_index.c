/* SPDX-License-Identifier: MIT
 *
 * shard/index: find, overflow, rebuild, walks.  The tests choose the hashes: place and tag.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "shard/index.h"
#include "support/support.h"

enum { ENTRIES = 3000 };

static struct item { _Alignas(16) struct entry e; uint64_t key, hash; } items[ENTRIES];
static struct index x;
static struct index_root root;

/* What lies behind its last bucket cannot be read. */
static size_t pages_for(uint32_t buckets)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (index_table_size(buckets) + page - 1) / page * page;
}

static struct table *table(uint32_t buckets)
{
    size_t size = pages_for(buckets), page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct table *t = (struct table *)(void *)(p + size - index_table_size(buckets));

    ck_assert_ptr_ne(p, MAP_FAILED);
    ck_assert_int_eq(mprotect(p + size, page, PROT_NONE), 0);
    index_table_init(t, buckets);
    return t;
}

static void free_table(struct table *t)
{
    size_t size = pages_for(t->buckets), page = (size_t)sysconf(_SC_PAGESIZE);

    ck_assert_int_eq(munmap((char *)t + index_table_size(t->buckets) - size, size + page), 0);
}

static void make(uint32_t buckets, unsigned shard_bits)
{
    memset(&x, 0, sizeof x);
    index_init(&x, &root, table(buckets), shard_bits);
}

static struct table *current(void)
{
    return x.table;
}

static void unmake(void)
{
    free_table(current());
}

static void rebuild(uint32_t buckets)
{
    struct table *t = table(buckets), *old = current();

    index_begin_locked(&x, t);
    while (index_copy_locked(&x, t)) {
    }
    ck_assert_ptr_eq(index_end_locked(&x, t), old);
    free_table(old);
    ck_assert_uint_eq(current()->buckets, buckets);
}

/* entry_init copies the key to where items[i].key lies. */
static void item(unsigned i, uint64_t key, uint64_t hash)
{
    ck_assert_uint_eq(offsetof(struct item, key), sizeof(struct entry));
    entry_init(&items[i].e, BRIM_KEY(key), NULL, 1);
    items[i].e.place = hash_place(hash);
    items[i].e.kind_flags = 0;
    items[i].hash = hash;
    entry_publish(&items[i].e, 0, 0);
}

static void put_item(unsigned i)
{
    index_insert_locked(&x, &items[i].e, hash_tag(items[i].hash));
}

static struct entry *find(uint64_t key, uint64_t hash)
{
    return index_find(index_view(&x), hash, BRIM_KEY(key));
}

/* Random hashes; the upper ${shard_bits} of the place are the same. */
static void put_random(unsigned n, unsigned shard_bits)
{
    uint64_t state = 12345;

    for (unsigned i = 0; i < n; i++) {
        uint64_t hash = hash_random(&state);
        item(i, i, (hash & ~(uint64_t)UINT32_MAX) | (uint32_t)((uint64_t)hash_place(hash) >> shard_bits));
        put_item(i);
    }
}

START_TEST(insert_find_remove)
{
    enum { N = 500 };
    uint64_t state = 99;

    make(100, 3);
    put_random(N, 3);
    ck_assert_uint_eq(x.count, N);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_ptr_eq(find(i, items[i].hash), &items[i].e);
        ck_assert_ptr_null(find(i + N, items[i].hash)); /* the same hash, another key */
        ck_assert_ptr_null(find(i, hash_random(&state) >> 3));
        ck_assert(index_reaches_locked(&x, &items[i].e, hash_tag(items[i].hash)));
        ck_assert(!index_reaches_locked(&x, &items[i].e, hash_tag(~items[i].hash)));
    }
    for (unsigned i = 0; i < N; i += 2)
        index_remove_locked(&x, &items[i].e);
    index_remove_locked(&x, &items[0].e); /* it is not there: nothing */
    index_swap_locked(&x, &items[0].e, &items[2].e);
    ck_assert_uint_eq(x.count, N / 2);
    for (unsigned i = 0; i < N; i++)
        ck_assert_ptr_eq(find(i, items[i].hash), i % 2 == 1 ? &items[i].e : NULL);
    ck_assert(!index_reaches_locked(&x, &items[0].e, hash_tag(items[0].hash)));
    unmake();
}
END_TEST

START_TEST(the_first_look_goes_by_the_tag)
{
    const uint64_t hash = 0x7000000000000000, other = 0x6000000000000000;

    make(4, 0);
    index_prefetch(index_view(&x), hash);
    ck_assert_ptr_null(index_first(index_view(&x), hash));
    for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
        item(i, i, hash);
        put_item(i);
        ck_assert_ptr_eq(index_first(index_view(&x), hash), &items[0].e); /* whatever its key */
    }
    ck_assert_ptr_null(index_first(index_view(&x), other));
    item(INDEX_ENTRIES, INDEX_ENTRIES, other); /* in the next bucket: not looked at first */
    put_item(INDEX_ENTRIES);
    ck_assert_ptr_null(index_first(index_view(&x), other));
    ck_assert_ptr_eq(find(INDEX_ENTRIES, other), &items[INDEX_ENTRIES].e);
    index_remove_locked(&x, &items[0].e);
    ck_assert_ptr_nonnull(index_first(index_view(&x), hash)); /* which of the others is the machine's choice */
    ck_assert_ptr_ne(index_first(index_view(&x), hash), &items[0].e);
    unmake();
}
END_TEST

START_TEST(one_hash_many_keys)
{
    make(4, 0);
    for (unsigned i = 0; i < 5; i++) {
        item(i, i, 0x7000000000000000);
        put_item(i);
    }
    items[1].e.kind_flags |= ENTRY_ANONYMOUS; /* found by handle only: it has no key bytes */
    items[1].e.key_len8 = 0;
    for (unsigned i = 0; i < 5; i++)
        ck_assert_ptr_eq(find(i, 0x7000000000000000), i != 1 ? &items[i].e : NULL);
    item(5, 3, 0x7000000000000000);
    index_swap_locked(&x, &items[3].e, &items[5].e);
    ck_assert_ptr_eq(find(3, 0x7000000000000000), &items[5].e);
    ck_assert_uint_eq(x.count, 5);
    unmake();
}
END_TEST

static unsigned overflow_of(uint32_t bucket)
{
    struct bucket *b = (struct bucket *)(void *)(current() + 1);

    return index_overflow(atom_load_relaxed(&b[bucket].tags[1]));
}

/* All at home in the last of four buckets: they go round to the first and second. */
START_TEST(overflow_is_counted)
{
    const uint64_t hash = 0x70000000ffffffff;

    make(4, 0);
    for (unsigned i = 0; i < 18; i++) {
        item(i, i, hash);
        put_item(i);
    }
    ck_assert_uint_eq(overflow_of(3), 12);
    ck_assert_uint_eq(overflow_of(0), 6);
    ck_assert_uint_eq(overflow_of(1), 0);
    for (unsigned i = 0; i < 18; i++)
        ck_assert_ptr_eq(find(i, hash), &items[i].e);
    index_swap_locked(&x, &items[8].e, &items[8].e);
    ck_assert_uint_eq(overflow_of(0), 6);
    for (unsigned i = 0; i < 17; i++)
        index_remove_locked(&x, &items[i].e);
    ck_assert_uint_eq(overflow_of(3), 1);
    ck_assert_uint_eq(overflow_of(0), 1);
    ck_assert_ptr_eq(find(17, hash), &items[17].e); /* past two buckets that are empty now */
    index_remove_locked(&x, &items[17].e);
    for (uint32_t b = 0; b < 4; b++)
        ck_assert_uint_eq(overflow_of(b), 0);
    unmake();
}
END_TEST

START_TEST(a_full_table)
{
    make(4, 0);
    for (unsigned i = 0; i < 24; i++) {
        item(i, i, 0);
        ck_assert(index_has_room(&x));
        put_item(i);
    }
    ck_assert(!index_has_room(&x)); /* every lane is taken */
    for (unsigned i = 0; i < 24; i++)
        ck_assert_ptr_eq(find(i, 0), &items[i].e);
    ck_assert_ptr_null(find(24, 0)); /* and yet a miss ends */
    ck_assert_uint_eq(overflow_of(0), 18);
    unmake();
}
END_TEST

static void set_overflow(uint32_t bucket, unsigned n)
{
    struct bucket *b = &index_buckets(current())[bucket];

    atom_store_relaxed(&b->tags[1], (atom_load_relaxed(&b->tags[1]) & ~((uint64_t)0xffff << 32)) | (uint64_t)n << 32);
}

static unsigned seen[ENTRIES];

static uint32_t scan(struct index_cursor *c, uint32_t last, unsigned *n)
{
    struct entry *out[64];

    *n = index_scan_locked(&x, c, out, 64);
    for (unsigned i = 0; i < *n; i++)
        seen[(struct item *)(void *)out[i] - items]++;
    for (unsigned i = 0; i < *n; i++)
        ck_assert_uint_ge(out[i]->place, last); /* no batch has a place of an earlier one */
    for (unsigned i = 0; i < *n; i++)
        last = out[i]->place > last ? out[i]->place : last;
    return last;
}

/* A walk sees all items from ${first} to before ${end}, once each. */
static void expect_seen(unsigned first, unsigned end)
{
    struct index_cursor c = {0};
    unsigned n;

    memset(seen, 0, sizeof seen);
    do
        (void)scan(&c, 0, &n);
    while (n > 0);
    for (unsigned i = 0; i < ENTRIES; i++)
        ck_assert_uint_eq(seen[i], i >= first && i < end);
}

/* So that no bucket says where a look-up or a walk may stop. */
START_TEST(every_bucket_was_passed)
{
    const uint64_t first = 0x7000000000000000, last = 0x70000000ffffffff;

    make(2, 0);
    for (unsigned i = 0; i < 12; i++) {
        item(i, i, i < 7 ? first : last);
        put_item(i);
    }
    index_remove_locked(&x, &items[0].e);
    item(12, 12, last); /* round to the place that has become free */
    put_item(12);
    ck_assert_uint_eq(overflow_of(0), 1);
    ck_assert_uint_eq(overflow_of(1), 1);
    for (unsigned i = 1; i < 13; i++)
        ck_assert_ptr_eq(find(i, items[i].hash), &items[i].e);
    ck_assert_ptr_null(find(0, first));
    ck_assert_ptr_null(find(1, 0x6000000000000000));
    expect_seen(1, 13);
    item(13, 13, (uint64_t)1 << 48); /* not there; its tag is as what its home counts */
    ck_assert(!index_reaches_locked(&x, &items[13].e, 1));
    unmake();
}
END_TEST

START_TEST(what_no_look_up_reaches)
{
    make(4, 0);
    for (unsigned i = 0; i < 18; i++) { /* six each in the first three */
        item(i, i, 0x7000000000000000);
        put_item(i);
    }
    for (unsigned lost = 0; lost < 3; lost++) { /* the first bucket, or the second, says that nothing passed it */
        unsigned was = lost < 2 ? overflow_of(lost) : 0;
        if (lost < 2)
            set_overflow(lost, 0);
        for (unsigned i = 0; i < 18; i++)
            ck_assert_int_eq(index_reaches_locked(&x, &items[i].e, 0x7000), i / INDEX_ENTRIES <= lost);
        if (lost < 2)
            set_overflow(lost, was);
    }
    unmake();
}
END_TEST

START_TEST(overflow_sticks_until_rebuilt)
{
    make(4, 0);
    for (unsigned i = 0; i < 8; i++) {
        item(i, i, 0);
        put_item(i);
    }
    set_overflow(0, 0xffff); /* as if by 65535 entries */
    item(8, 8, 0);
    put_item(8);
    ck_assert_uint_eq(overflow_of(0), 0xffff);
    for (unsigned i = 0; i < 8; i++)
        index_remove_locked(&x, &items[i].e);
    ck_assert_uint_eq(overflow_of(0), 0xffff);
    ck_assert_ptr_eq(find(8, 0), &items[8].e);
    rebuild(3);
    ck_assert_uint_eq(overflow_of(0), 0);
    ck_assert_ptr_eq(find(8, 0), &items[8].e);
    unmake();
}
END_TEST

/* Tags that differ in the lowest bit only, in all lanes, full or not. */
START_TEST(tags_are_told_apart)
{
    make(1, 0);
    for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
        item(i, i, (uint64_t)(0x7000 + i) << 48);
        put_item(i);
        for (unsigned j = 0; j <= INDEX_ENTRIES; j++) {
            uint64_t hash = (uint64_t)(0x7000 + j) << 48;
            ck_assert_ptr_eq(find(j, hash), j <= i ? &items[j].e : NULL);
            ck_assert_ptr_eq(index_first(index_view(&x), hash), j <= i ? &items[j].e : NULL);
        }
    }
    unmake();
}
END_TEST

START_TEST(table_sizes)
{
    for (uint64_t n = 1; n < (uint64_t)1 << 31; n += n / 3 + 1) {
        uint32_t size = index_size(n);
        ck_assert_uint_ge(size, n < (uint64_t)2047 << 20 ? n : (uint64_t)2047 << 20);
        ck_assert_uint_le(size, n + n / 1000);
        ck_assert_uint_eq(index_size(size), size);
    }
    for (uint32_t n = 1; n < 5000; n = index_size(n + 1)) { /* what readers see of it */
        make(n, 0);
        ck_assert_uint_eq(index_word_count(atom_load_relaxed(&root.word)), n);
        ck_assert_ptr_eq(index_word_buckets(atom_load_relaxed(&root.word)), index_buckets(current()));
        ck_assert_uint_eq(x.most, (uint64_t)n * INDEX_ENTRIES * 80 / 100);
        ck_assert_uint_eq(x.least, n > 2 ? (uint64_t)n * INDEX_ENTRIES * 25 / 100 : 0);
        unmake();
    }
}
END_TEST

START_TEST(the_largest_table)
{
    static struct table largest; /* without its buckets, which nobody looks at */

    index_table_init(&largest, index_size(UINT64_MAX));
    ck_assert_uint_eq(largest.buckets, (uint64_t)2047 << 20);
    ck_assert_uint_eq(index_size((uint64_t)2047 << 20), largest.buckets);
    index_init(&x, &root, &largest, 0);
    ck_assert_uint_eq(index_word_count(atom_load_relaxed(&root.word)), largest.buckets);
    ck_assert_uint_eq(x.most, UINT32_MAX); /* 80 % of them were more */
    ck_assert_uint_eq(x.least, (uint64_t)largest.buckets * INDEX_ENTRIES * 25 / 100);
}
END_TEST

START_TEST(rebuild_keeps_all)
{
    static const uint32_t sizes[] = {501, 70, 71, 1000};

    make(70, 1);
    put_random(400, 1);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        rebuild(sizes[k]);
        ck_assert_uint_eq(x.count, 400);
        for (unsigned i = 0; i < 400; i++)
            ck_assert_ptr_eq(find(i, items[i].hash), &items[i].e);
    }
    unmake();
}
END_TEST

/* What is inserted, removed and swapped while a table is copied is right in both. */
START_TEST(changes_while_it_is_copied)
{
    struct table *t = NULL, *old;
    uint64_t state = 7;
    unsigned steps = 0;

    make(300, 0);
    put_random(1000, 0);
    old = current();
    t = table(_i == 0 ? 420 : 200);
    index_begin_locked(&x, t);
    do {
        for (unsigned i = 0; i < 20; i++) {
            unsigned gone = steps * 20 + i, come = 1000 + gone;
            uint64_t hash = hash_random(&state);
            index_remove_locked(&x, &items[gone].e);
            item(come, come, hash);
            put_item(come);
            if (i == 0) { /* another entry with the key and hash of one that stays */
                unsigned stays = 900 + steps;
                item(2900 + steps, stays, items[stays].hash);
                index_swap_locked(&x, &items[stays].e, &items[2900 + steps].e);
            }
        }
        steps++;
    } while (index_copy_locked(&x, t));
    ck_assert_uint_gt(steps, 5);
    for (int round = 0; round < 2; round++) { /* before it is published, and after */
        ck_assert_uint_eq(x.count, 1000);
        for (unsigned i = 0; i < 1000 + 20 * steps; i++) {
            struct entry *e = i < 20 * steps ? NULL : i >= 900 && i < 900 + steps ? &items[2000 + i].e : &items[i].e;
            ck_assert_ptr_eq(find(i, items[i].hash), e);
            if (e != NULL)
                ck_assert(index_reaches_locked(&x, e, hash_tag(items[i].hash)));
        }
        if (round == 0)
            ck_assert_ptr_eq(index_end_locked(&x, t), old);
    }
    free_table(old);
    for (unsigned i = 20 * steps; i < 1000 + 20 * steps; i++)
        index_remove_locked(&x, i >= 900 && i < 900 + steps ? &items[2000 + i].e : &items[i].e);
    ck_assert_uint_eq(x.count, 0);
    for (uint32_t b = 0; b < current()->buckets; b++) /* nothing is left over */
        for (unsigned i = 0; i < INDEX_ENTRIES; i++)
            ck_assert_ptr_null(atom_load_relaxed(&index_buckets(current())[b].entry[i]));
    unmake();
}
END_TEST

START_TEST(a_copy_that_becomes_too_small)
{
    struct table *t, *old;

    make(300, 0);
    put_random(100, 0);
    old = current();
    t = table(40);
    index_begin_locked(&x, t);
    ck_assert(index_copy_locked(&x, t));
    for (unsigned i = 100; i < 300; i++) {
        item(i, i, (uint64_t)i << 22);
        put_item(i);
    }
    ck_assert(!index_copy_locked(&x, t));
    ck_assert_ptr_null(index_end_locked(&x, t)); /* given up: it is ours again */
    ck_assert_ptr_eq(current(), old);
    free_table(t);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_ptr_eq(find(i, items[i].hash), &items[i].e);
    unmake();
}
END_TEST

START_TEST(wanted_has_room_and_rest)
{
    uint32_t wanted;

    make(1, 0);
    for (unsigned i = 0; i < ENTRIES; i++) {
        wanted = index_wanted(&x, 1);
        ck_assert_uint_le(x.count + 1, (uint64_t)wanted * INDEX_ENTRIES * 9 / 10 + 1);
        if (wanted != current()->buckets) {
            ck_assert_uint_gt(wanted, current()->buckets);
            rebuild(wanted);
            ck_assert_uint_eq(index_wanted(&x, 1), wanted);            /* at rest now, */
            ck_assert_uint_eq(index_wanted(&x, 1 + x.count / 4), wanted); /* and for some time */
        }
        item(i, i, (uint64_t)i << 20);
        put_item(i);
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        index_remove_locked(&x, &items[i].e);
    wanted = index_wanted(&x, 1);
    ck_assert_uint_lt(wanted, 3);
    unmake();
}
END_TEST

/* _i = 1: the table is rebuilt at each step of the walk, and others come and go. */
START_TEST(a_scan_sees_each_once)
{
    static const uint32_t sizes[] = {600, 550, 551, 2000, 510};
    struct index_cursor c = {0};
    unsigned n, steps = 0, stay = ENTRIES / 2;
    uint32_t last = 0;

    memset(seen, 0, sizeof seen);
    make(560, 2);
    put_random(ENTRIES, 2);
    do {
        last = scan(&c, last, &n);
        if (_i == 1 && n > 0) {
            for (unsigned i = stay + steps; i < ENTRIES; i += 50) {
                if (steps % 2 == 0)
                    index_remove_locked(&x, &items[i].e);
            }
            rebuild(sizes[steps++ % 5]);
        }
    } while (n > 0);
    for (unsigned i = 0; i < (_i == 1 ? stay : ENTRIES); i++)
        ck_assert_uint_eq(seen[i], 1);
    for (unsigned i = stay; i < ENTRIES; i++)
        ck_assert_uint_le(seen[i], 1);
    unmake();
}
END_TEST

START_TEST(a_scan_of_one_full_bucket_chain)
{
    struct index_cursor c = {0};
    unsigned n, all = 0;

    memset(seen, 0, sizeof seen);
    make(60, 0);
    for (unsigned i = 0; i < 300; i++) { /* one home, far more than a batch; places differ */
        item(i, i, i);
        put_item(i);
    }
    do {
        (void)scan(&c, 0, &n);
        all += n;
    } while (n > 0);
    ck_assert_uint_eq(all, 300);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_uint_eq(seen[i], 1);
    unmake();
}
END_TEST

START_TEST(a_scan_goes_round_and_past_what_is_empty)
{
    make(60, 0);
    for (unsigned i = 0; i < 18; i++) { /* in the last bucket, and the first two */
        item(i, i, UINT32_MAX);
        put_item(i);
    }
    ck_assert_uint_eq(overflow_of(0), 6);
    expect_seen(0, 18);
    unmake();
}
END_TEST

START_TEST(of_one_place_a_batch_is_scanned)
{
    enum { N = 70 };
    struct index_cursor c = {0};
    unsigned n;

    make(60, 0);
    for (unsigned i = 0; i < N; i++) {
        item(i, i, i == 0 ? 8 : 7);
        put_item(i);
    }
    (void)scan(&c, 0, &n);
    ck_assert_uint_eq(n, 64); /* the rest is left out */
    (void)scan(&c, 8, &n);
    ck_assert_uint_eq(n, 1);
    (void)scan(&c, 8, &n);
    ck_assert_uint_eq(n, 0);
    unmake();
}
END_TEST

START_TEST(samples_reach_all)
{
    struct entry *out[16];
    uint64_t state = 5;

    memset(seen, 0, sizeof seen);
    make(60, 0);
    ck_assert_uint_eq(index_sample_locked(&x, 0, out, 16), 0);
    put_random(300, 0);
    for (int round = 0; round < 1000; round++) {
        ck_assert_uint_eq(index_sample_locked(&x, hash_random(&state), out, 16), 16);
        for (int i = 0; i < 16; i++) {
            seen[(struct item *)(void *)out[i] - items]++;
            for (int j = 0; j < i; j++)
                ck_assert_ptr_ne(out[i], out[j]);
        }
    }
    for (unsigned i = 0; i < 300; i++)
        ck_assert_uint_gt(seen[i], 0);
    unmake();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("index");

    tcase_add_test(tc, insert_find_remove);
    tcase_add_test(tc, the_first_look_goes_by_the_tag);
    tcase_add_test(tc, one_hash_many_keys);
    tcase_add_test(tc, overflow_is_counted);
    tcase_add_test(tc, a_full_table);
    tcase_add_test(tc, every_bucket_was_passed);
    tcase_add_test(tc, what_no_look_up_reaches);
    tcase_add_test(tc, overflow_sticks_until_rebuilt);
    tcase_add_test(tc, tags_are_told_apart);
    tcase_add_test(tc, table_sizes);
    tcase_add_test(tc, the_largest_table);
    tcase_add_test(tc, rebuild_keeps_all);
    tcase_add_loop_test(tc, changes_while_it_is_copied, 0, 2);
    tcase_add_test(tc, a_copy_that_becomes_too_small);
    tcase_add_test(tc, wanted_has_room_and_rest);
    tcase_add_loop_test(tc, a_scan_sees_each_once, 0, 2);
    tcase_add_test(tc, a_scan_of_one_full_bucket_chain);
    tcase_add_test(tc, a_scan_goes_round_and_past_what_is_empty);
    tcase_add_test(tc, of_one_place_a_batch_is_scanned);
    tcase_add_test(tc, samples_reach_all);
    return suite_run(tc);
}
