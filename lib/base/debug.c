/* SPDX-License-Identifier: MIT */
#include "base/debug.h"

#include <stdlib.h>

#include "base/atom.h"
#include "brim_debug.h"

typedef void hook_fn(const char *message, void *arg);

static ATOM(hook_fn *) hook;
static ATOM(void *) hook_arg;

void brim_set_debug_hook(void (*fn)(const char *message, void *arg), void *arg)
{
    atom_store_relaxed(&hook_arg, arg);
    atom_store_release(&hook, fn);
}

void debug_message(const char *text)
{
    hook_fn *fn = atom_load_acquire(&hook);

    if (fn != NULL)
        fn(text, atom_load_relaxed(&hook_arg));
}

_Noreturn void debug_panic(const char *text)
{
    debug_message(text);
    abort();
}
