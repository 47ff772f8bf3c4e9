/* SPDX-License-Identifier: MIT
 *
 * One input of the fuzzer `operations', which is a sequence of them.
 */
#ifndef FUZZ_OPERATIONS_H
#define FUZZ_OPERATIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether all is checked after each operation, and not only at the end. */
extern bool operations_checked;
#endif
