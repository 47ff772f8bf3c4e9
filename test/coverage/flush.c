/* SPDX-License-Identifier: MIT
 *
 * Linked into the test programs of `make coverage' with --wrap: what a process counted is written also where it ends
 * without its exit handlers, as a panic and the children of fork do.
 */
#include <gcov.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void __real_abort(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap_abort(void);
_Noreturn void __wrap__exit(int status);

void __wrap_abort(void)
{
    __gcov_dump();
    __real_abort();
}

void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
