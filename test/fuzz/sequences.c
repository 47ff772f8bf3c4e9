/* SPDX-License-Identifier: MIT
 *
 * sequences COUNT [SEED]
 * Give build/fuzz/operations' target COUNT random inputs, from the one of SEED on: many times as many a second as
 * libFuzzer, which looks after each which code it has reached.  The number of a wrong one is printed; `sequences 1
 * NUMBER' repeats it.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sanitizer/common_interface_defs.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 200 };

static uint64_t current;

static void say(void)
{
    fprintf(stderr, "sequence %" PRIu64 "\n", current);
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    say();
}

static uint64_t next(uint64_t *x) /* splitmix64 */
{
    uint64_t z = *x += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void run(uint64_t number)
{
    uint64_t state = number * UINT64_C(0x2545F4914F6CDD1D);
    size_t size = 1 + (size_t)(next(&state) % LONGEST);
    uint8_t data[LONGEST];

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(next(&state) >> 32);
    (void)LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    clock_t begun = clock();
    double seconds;

    if (argc < 2 || argc > 3 || count == 0) {
        fprintf(stderr, "usage: %s COUNT [SEED]\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, on_abort);
    __sanitizer_set_death_callback(say);
    for (current = seed; current - seed < count; current++)
        run(current);
    seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    printf("%" PRIu64 " sequences, %.1f s of processor time, %.0f a second\n", count, seconds,
           seconds > 0 ? (double)count / seconds : 0);
    return 0;
}
