/* SPDX-License-Identifier: MIT
 *
 * Where messages go: the user's hook.  The library prints nothing itself (G13).
 */
#ifndef BRIM_BASE_DEBUG_H
#define BRIM_BASE_DEBUG_H

/*
 * debug_message(text):
 * Tell the hook, if there is one.  No lock may be held.
 */
void debug_message(const char *text);

/*
 * debug_misuse(text):
 * The same in builds with assertions; nothing in others.
 */
#ifdef NDEBUG
#define debug_misuse(text) ((void)0)
#else
#define debug_misuse(text) debug_message(text)
#endif

/*
 * debug_panic(text):
 * Tell the hook and abort: for a corrupted handle and a count about to overflow, nothing else (G10).
 */
_Noreturn void debug_panic(const char *text);

#endif
