// SPDX-License-Identifier: MIT
//
// Loads (G9): one of a key at a time, however it ends; whoever waits for it is told once; nothing that was overtaken is
// found afterwards; its flight is freed once, by the last who looks at it.  Of threads that wait for each other's loads
// one is told so, at least; nobody hangs, and nobody is told who is in no circle.
#include "shard.h"

template <typename Self, int THREADS, int SHARDS> struct loads : rl::test_suite<Self, THREADS> {
    enum { FLIGHTS = 2 * THREADS, UNUSED = 0, LIVE, FREED };
    shard sh[SHARDS];
    shard_common common;
    shard_room room[SHARDS];
    struct process<THREADS> process;
    alignas(flight) char memory[FLIGHTS][sizeof(flight)];
    rl::var<int> state[FLIGHTS];
    keyed entries[FLIGHTS]; // the flight's own
    rl::atomic<int> destroyed[FLIGHTS], claims;
    rl::var<int> loading[SHARDS]; // how many are at it; of one key in each shard

    void before()
    {
        process.make();
        for (int i = 0; i < SHARDS; i++) {
            room[i].make(&sh[i], &common);
            loading[i]($) = 0;
        }
        for (int i = 0; i < FLIGHTS; i++) {
            state[i]($) = UNUSED;
            destroyed[i]($) = 0;
        }
        claims($) = 0;
    }

    // ---- Memory

    flight *make(unsigned i, char key, bool owned)
    {
        int slot = state[2 * i]($) == UNUSED ? 2 * i : 2 * i + 1;

        RL_ASSERT(state[slot]($) == UNUSED);
        state[slot]($) = LIVE;
        flight *f = new (memory[slot]) flight(); // zeroed, but for the atomics
        atom_store_relaxed(&f->state, FLIGHT_FLYING);
        atom_store_relaxed(&f->waiting, 0);
        atom_store_relaxed(&f->had_waiters, 0);
        RL_ASSERT(flight_init(f, 1, owned ? &process.self[i] : NULL));
        entries[slot].make(key, 0);
        f->entry = &entries[slot].e;
        return f;
    }

    void give_back(flight *f)
    {
        int slot = (int)((char *)f - memory[0]) / (int)sizeof(flight);

        RL_ASSERT(state[slot]($) == LIVE);
        state[slot]($) = FREED;
        epoch_wait(domain);
        f->~flight();
        std::memset(f, 0x5a, sizeof *f);
    }

    void give_back_all(flight *list)
    {
        while (list != NULL) {
            flight *f = list;
            list = f->next;
            give_back(f);
        }
    }

    void drop(flight *f, shard *of)
    {
        if (shard_unref(of, f))
            give_back(f);
    }

    void destroy(entry *e)
    {
        keyed *k = (keyed *)(void *)e;

        shared_set(e->value, NULL);
        RL_ASSERT(destroyed[k - entries].fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    int let_go(entry *e)
    {
        int value = value_of(e);

        RL_ASSERT(value != 0);
        if (entry_release(e) & ENTRY_LAST)
            destroy(e);
        return value;
    }

    void dispose(entry_list *left)
    {
        entry *e;

        while ((e = entry_list_pop(left)) != NULL)
            if (entry_is_dead(e))
                destroy(e);
            else
                let_go(e); // the link's ref
    }

    // ---- As brim_get, in two parts

    struct got {
        brim_status status;
        int value, reason;
        flight *load; // CLAIMED
    };

    got get(unsigned i, unsigned s = 0, char key = 'k', uint64_t now = 1, uint64_t deadline = 0, bool loads = true)
    {
        struct shard_ask a = {keyed_hash, now, &key, 1};
        got g = {BRIM_PENDING, 0, 0, NULL};
        stripe st;

        a.self = &process.self[i];
        a.block = true;
        a.deadline = deadline;
        while (g.status == BRIM_PENDING) {
            waiter w = {};
            a.waiter = &w;
            shard_claim claim = ::shard_ask(&sh[s], &a, &st);
            give_back_all(a.forgotten);
            a.forgotten = NULL;
            if (claim == SHARD_HIT) {
                g.value = let_go(a.there);
                g.status = BRIM_OK;
            } else if (claim == SHARD_CLAIMABLE && loads) {
                a.flight = make(i, key, true);
            } else if (claim == SHARD_CLAIMABLE) {
                g.status = BRIM_OK; // and no value: nobody loads it
            } else if (claim == SHARD_TOLD) {
                RL_ASSERT(shared_get(w.told) || a.status != BRIM_OK);
                g.status = a.status == BRIM_OK ? w.status : a.status;
                g.reason = w.reason;
                interesting++;
                if (g.status == BRIM_OK)
                    g.value = let_go(w.result);
            } else {
                g.status = claim == SHARD_CLAIMED ? BRIM_CLAIMED : claim == SHARD_FAILED ? BRIM_FAILED : BRIM_CANCELED;
                g.reason = a.reason;
            }
        }
        if (g.status == BRIM_CLAIMED)
            g.load = a.flight;
        else if (a.flight != NULL)
            give_back(a.flight);
        if (g.load != NULL) {
            claims.fetch_add(1, rl::memory_order_relaxed);
            RL_ASSERT(loading[s]($) == 0);
            loading[s]($) = 1;
        }
        return g;
    }

    void end(unsigned s)
    {
        RL_ASSERT(loading[s]($) == 1);
        loading[s]($) = 0;
    }

    void tell(waiter *told)
    {
        while (told != NULL) {
            waiter *w = told;
            told = w->next_told;
            ((rl::atomic<int> *)w->later)->fetch_add(1, rl::memory_order_relaxed);
            if (w->status == BRIM_OK)
                let_go(w->result);
        }
    }

    // Whether it was published; else it is shared by who waited.
    bool finish(flight *f, int value, unsigned s = 0)
    {
        entry_list left = {NULL, NULL};
        waiter *told = NULL;
        stripe st;
        entry *e = f->entry;
        struct shard_link l = {e, 1, 0, keyed_tag};
        bool published;

        end(s);
        shared_set(e->value, (void *)(intptr_t)value);
        l.flight = f;
        published = ::shard_link(&sh[s], &l, NULL, &st, &left) == SHARD_LINKED;
        if (!published)
            (void)shard_end(&sh[s], f, BRIM_OK, 0, e, 1, 0, &told);
        f->entry = NULL;
        RL_ASSERT(l.forgotten == NULL);
        tell(published ? l.told : told);
        dispose(&left);
        RL_ASSERT(let_go(e) == value);
        drop(f, &sh[s]);
        return published;
    }

    void fail(flight *f, int reason, uint64_t until = 0, unsigned s = 0)
    {
        waiter *told = NULL;

        end(s);
        (void)shard_end(&sh[s], f, BRIM_FAILED, reason, NULL, 0, until, &told);
        tell(told);
        drop(f, &sh[s]);
    }

    // A load of thread ${i} that is under way when the threads start.
    flight *claimed(unsigned i, unsigned s = 0, char key = 'k')
    {
        got g = get(i, s, key);

        RL_ASSERT(g.status == BRIM_CLAIMED);
        return g.load;
    }

    void cancel(unsigned s, char key)
    {
        waiter *told = NULL;
        flight *forgotten = NULL;

        (void)shard_cancel(&sh[s], keyed_hash, &key, 1, &told, &forgotten);
        give_back_all(forgotten);
        tell(told);
    }

    void remove()
    {
        entry_list left = {NULL, NULL};
        flight *forgotten = NULL;
        stripe st;
        bool removed;

        (void)shard_remove_key(&sh[0], keyed_hash, "k", 1, 0, &removed, &st, &left, &forgotten);
        give_back_all(forgotten);
        dispose(&left);
    }

    void after()
    {
        remove();
        for (int i = 0; i < SHARDS; i++) {
            RL_ASSERT(sh[i].loading == 0 && sh[i].flights.root == NULL && sh[i].flights.list == NULL);
            RL_ASSERT(loading[i]($) == 0);
        }
        for (int i = 0; i < FLIGHTS; i++)
            RL_ASSERT(state[i]($) != LIVE);
    }
};

// All ask at once: one of them loads, for all.
struct asked_at_once : loads<asked_at_once, 3, 1> {
    void thread(unsigned i)
    {
        got g = get(i);
        if (g.load != NULL)
            RL_ASSERT(finish(g.load, 8));
        else
            RL_ASSERT(g.status == BRIM_OK && g.value == 8);
    }

    void after()
    {
        RL_ASSERT(claims($) == 1);
        loads::after();
    }
};

// It fails, which is remembered for a while: for one who asks soon, not for one who asks late.
struct failed : loads<failed, 3, 1> {
    void thread(unsigned i)
    {
        got g = get(i, 0, 'k', i == 2 ? 9 : 1);
        if (i == 0 && g.load != NULL)
            fail(g.load, 7, 5);
        else if (g.load != NULL)
            RL_ASSERT(finish(g.load, 8));
        else
            RL_ASSERT((g.status == BRIM_OK && g.value == 8) || (g.status == BRIM_FAILED && g.reason == 7));
    }
};

// The key is removed while it is loaded: nobody finds or gets, who asks after that, what was loaded before.
struct overtaken : loads<overtaken, 3, 1> {
    rl::atomic<int> version;

    void before()
    {
        loads::before();
        version($) = 1;
    }

    int get_version(unsigned i)
    {
        got g = get(i);
        if (g.load == NULL) {
            RL_ASSERT(g.status == BRIM_OK);
            return g.value;
        }
        int made = version.load(rl::memory_order_relaxed);
        interesting += !finish(g.load, made);
        return made;
    }

    void thread(unsigned i)
    {
        if (i == 1) {
            version.store(2, rl::memory_order_relaxed);
            remove();
            RL_ASSERT(get_version(1) == 2);
        } else {
            (void)get_version(i);
        }
    }
};

// It is canceled while somebody waits, with a timeout: who is told so is told once, and asks for nothing more.
struct canceled : loads<canceled, 3, 1> {
    flight *load;

    void before()
    {
        loads::before();
        load = claimed(0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            (void)finish(load, 8);
        } else if (i == 1) {
            got g = get(1, 0, 'k', 1, 2);
            if (g.load != NULL)
                fail(g.load, 7);
            else
                RL_ASSERT(g.status == BRIM_CANCELED || g.status == BRIM_TIMEOUT || g.value == 8);
        } else {
            cancel(0, 'k');
        }
    }
};

// Two wait, each for a time: who is told gets a hold, who is late gets none, and none is left over.
struct timed_out : loads<timed_out, 3, 1> {
    flight *load;

    void before()
    {
        loads::before();
        load = claimed(0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(finish(load, 8));
            return;
        }
        got g = get(i, 0, 'k', 1, 2);
        RL_ASSERT(g.status == BRIM_TIMEOUT || g.value == 8);
        interesting += g.status == BRIM_TIMEOUT;
    }

    void after()
    {
        loads::after();
        RL_ASSERT(destroyed[0]($) == 1);
    }
};

// Somebody is to be told later, who forsakes it beside its end and its cancelation.
struct told_later : loads<told_later, 3, 1> {
    flight *load;
    waiter later;
    rl::atomic<int> told;
    bool joined, forsaken;

    void before()
    {
        loads::before();
        load = claimed(0);
        told($) = 0;
        later.later = &told;
        joined = forsaken = false;
    }

    void join()
    {
        struct shard_ask a = {keyed_hash, 1, "k", 1};
        stripe st;

        a.self = &process.self[1];
        a.waiter = &later;
        joined = ::shard_ask(&sh[0], &a, &st) == SHARD_JOINED;
        give_back_all(a.forgotten);
        if (a.there != NULL)
            let_go(a.there);
        if (joined)
            forsaken = shard_forsake(&sh[0], &later);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            (void)finish(load, 8);
        else if (i == 1)
            join();
        else
            cancel(0, 'k');
    }

    void after()
    {
        RL_ASSERT(told($) == (joined && !forsaken));
        interesting += forsaken;
        loads::after();
    }
};

// The cache is freed meanwhile: who waits is told, and nobody loads any more.
struct cache_freed : loads<cache_freed, 3, 1> {
    void thread(unsigned i)
    {
        if (i == 2) {
            waiter *told = NULL;
            flight *forgotten = NULL;
            shard_close(&sh[0]);
            shard_overtake_all(&sh[0], true, &told, &forgotten);
            give_back_all(forgotten);
            tell(told);
            RL_ASSERT(get(2).status == BRIM_CANCELED);
            return;
        }
        got g = get(i);
        if (g.load != NULL && i == 0)
            fail(g.load, 7, 5);
        else if (g.load != NULL)
            (void)finish(g.load, 8);
        else
            RL_ASSERT(g.status == BRIM_CANCELED || g.reason == 7 || g.value == 8);
    }

    void after()
    {
        give_back_all(forget());
        loads::after();
    }

    // The table's own are forgotten with it.
    flight *forget()
    {
        flight *forgotten = NULL;
        waiter *told = NULL;

        shard_overtake_all(&sh[0], true, &told, &forgotten);
        RL_ASSERT(told == NULL);
        return forgotten;
    }
};

// ---- Who waits for whom: each load in a shard of its own, for one mutex would order all

template <typename Self, int THREADS> struct waits : loads<Self, THREADS, THREADS> {
    typedef loads<Self, THREADS, THREADS> base;
    flight *load[THREADS];
    rl::atomic<int> deadlocks;

    void before()
    {
        base::before();
        for (unsigned i = 0; i < THREADS; i++)
            load[i] = base::claimed(i, i);
        deadlocks($) = 0;
    }

    // The loader of thread ${i} asks for what ${j} loads.
    brim_status wait(unsigned i, unsigned j)
    {
        brim_status status = base::get(i, j, 'k', 1, 0, false).status;
        if (status == BRIM_DEADLOCK)
            deadlocks.fetch_add(1, rl::memory_order_relaxed);
        return status;
    }
};

struct circle : waits<circle, 2> {
    void thread(unsigned i)
    {
        (void)wait(i, 1 - i);
        fail(load[i], 7, 0, i);
    }

    void after()
    {
        RL_ASSERT(deadlocks($) >= 1);
        waits::after();
    }
};

// 0 waits for 1, and 1 for 2, until 2 has loaded and waits for 0.
struct no_circle : waits<no_circle, 3> {
    void thread(unsigned i)
    {
        if (i == 2)
            fail(load[2], 7, 0, 2);
        (void)wait(i, (i + 1) % 3);
        if (i != 2)
            fail(load[i], 7, 0, i);
    }

    void after()
    {
        RL_ASSERT(deadlocks($) == 0);
        waits::after();
    }
};

// The same, but 2 goes on loading: who waited for it has been told that it is canceled, or would wait in a circle.
struct circle_canceled : waits<circle_canceled, 3> {
    rl::atomic<int> freed;

    void before()
    {
        waits::before();
        freed($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 2)
            cancel(2, 'k');
        brim_status status = wait(i, (i + 1) % 3);
        if (i == 1)
            freed.store(status == BRIM_CANCELED, rl::memory_order_relaxed);
        fail(load[i], 7, 0, i);
    }

    void after()
    {
        RL_ASSERT(deadlocks($) == 0 || !freed($));
        waits::after();
    }
};

// ---- Of the larger ones two threads each, so that all schedules can be run at bound 3

struct no_circle_of_two : waits<no_circle_of_two, 2> {
    void thread(unsigned i)
    {
        if (i == 1)
            fail(load[1], 7, 0, 1);
        (void)wait(i, 1 - i);
        if (i == 0)
            fail(load[0], 7, 0, 0);
    }

    void after()
    {
        RL_ASSERT(deadlocks($) == 0);
        waits::after();
    }
};

struct circle_of_two_canceled : waits<circle_of_two_canceled, 2> {
    bool freed;

    void thread(unsigned i)
    {
        if (i == 1)
            cancel(1, 'k');
        brim_status status = wait(i, 1 - i);
        if (i == 0)
            freed = status == BRIM_CANCELED;
        fail(load[i], 7, 0, i);
    }

    void after()
    {
        RL_ASSERT(deadlocks($) == 0 || !freed);
        waits::after();
    }
};

struct asked_by_two : loads<asked_by_two, 2, 1> {
    void thread(unsigned i)
    {
        got g = get(i);
        if (g.load != NULL)
            RL_ASSERT(finish(g.load, 8));
        else
            RL_ASSERT(g.status == BRIM_OK && g.value == 8);
    }

    void after()
    {
        RL_ASSERT(claims($) == 1);
        loads::after();
    }
};

// ${NOW}: when the other asks.
template <typename Self, int NOW> struct failed_for_two : loads<Self, 2, 1> {
    typedef loads<Self, 2, 1> base;

    void thread(unsigned i)
    {
        typename base::got g = base::get(i, 0, 'k', i == 1 ? NOW : 1);
        if (i == 0 && g.load != NULL)
            base::fail(g.load, 7, 5);
        else if (g.load != NULL)
            RL_ASSERT(base::finish(g.load, 8));
        else
            RL_ASSERT((g.status == BRIM_OK && g.value == 8) || (g.status == BRIM_FAILED && g.reason == 7));
    }
};
struct failed_soon : failed_for_two<failed_soon, 1> {
};
struct failed_late : failed_for_two<failed_late, 9> {
};

struct overtaken_by_one : loads<overtaken_by_one, 2, 1> {
    rl::atomic<int> version;

    void before()
    {
        loads::before();
        version($) = 1;
    }

    int get_version(unsigned i)
    {
        got g = get(i);
        if (g.load == NULL) {
            RL_ASSERT(g.status == BRIM_OK);
            return g.value;
        }
        int made = version.load(rl::memory_order_relaxed);
        interesting += !finish(g.load, made);
        return made;
    }

    void thread(unsigned i)
    {
        if (i == 1) {
            version.store(2, rl::memory_order_relaxed);
            remove();
            RL_ASSERT(get_version(1) == 2);
        } else {
            (void)get_version(0);
        }
    }
};

// Somebody waits for what is overtaken, and asks for nothing more.
struct overtaken_while_waiting : loads<overtaken_while_waiting, 3, 1> {
    flight *load;

    void before()
    {
        loads::before();
        load = claimed(0);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            (void)finish(load, 8);
        else if (i == 1)
            (void)get(1, 0, 'k', 1, 0, false);
        else
            remove();
    }
};

struct timed_out_alone : loads<timed_out_alone, 2, 1> {
    flight *load;

    void before()
    {
        loads::before();
        load = claimed(0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(finish(load, 8));
            return;
        }
        got g = get(1, 0, 'k', 1, 2);
        RL_ASSERT(g.status == BRIM_TIMEOUT || g.value == 8);
    }

    void after()
    {
        loads::after();
        RL_ASSERT(destroyed[0]($) == 1);
    }
};

LITMUS(litmus_part<circle, 5000, 2>,
       litmus_part<no_circle, 10000, 1, 1>,
       litmus_part<circle_canceled, 10000, 1, 2>,
       litmus_part<asked_at_once, 10000, 1, 2>,
       litmus_part<failed, 10000, 1, 2>,
       litmus_part<overtaken, 10000, 1, 1>,
       litmus_part<canceled, 10000, 1>,
       litmus_part<timed_out, 10000, 1, 2>,
       litmus_part<told_later, 10000, 2>,
       litmus_part<cache_freed, 10000, 1>,
       litmus_part<no_circle_of_two, 10000, 1>,
       litmus_part<circle_of_two_canceled, 10000, 1>,
       litmus_part<asked_by_two, 10000, 1>,
       litmus_part<failed_soon, 10000, 1>,
       litmus_part<failed_late, 10000, 1>,
       litmus_part<overtaken_by_one, 10000, 1>,
       litmus_part<overtaken_while_waiting, 10000, 1>,
       litmus_part<timed_out_alone, 10000, 1>)
