/* SPDX-License-Identifier: MIT */
#include "attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sanitizer/allocator_interface.h>

enum { PRINTED = 1 << 16, BLOCKS = 1 << 16 };

static FILE *real_out, *real_err;
static struct stream {
    FILE *file;
    char text[PRINTED];
} out, err;

static jmp_buf back;
static _Thread_local bool trying; /* of the thread that tries: the fuzzer has one that watches the memory */

/* ---- Memory that the attempt has not freed */

static const volatile void *blocks[BLOCKS];
static size_t block_count;

static void allocated(const volatile void *p, size_t n)
{
    (void)n;
    if (!trying || p == NULL)
        return;
    if (block_count == BLOCKS)
        wrong("more than %d blocks", BLOCKS);
    blocks[block_count++] = p;
}

/* Mostly one of the last. */
static void freed(const volatile void *p)
{
    if (!trying || p == NULL)
        return;
    for (size_t i = block_count; i > 0; i--)
        if (blocks[i - 1] == p) {
            blocks[i - 1] = blocks[--block_count];
            return;
        }
}

static void free_all(void)
{
    while (block_count > 0)
        free((void *)(uintptr_t)blocks[--block_count]);
}

/* ---- Output */

static void open_stream(struct stream *s)
{
    s->file = fmemopen(s->text, sizeof s->text, "w");
    if (s->file == NULL)
        abort();
    setvbuf(s->file, NULL, _IONBF, 0);
}

static void begin(void)
{
    if (out.file == NULL) {
        open_stream(&out);
        open_stream(&err);
        real_out = stdout;
        real_err = stderr;
        __sanitizer_install_malloc_and_free_hooks(allocated, freed);
    }
    rewind(out.file);
    rewind(err.file);
    out.text[0] = err.text[0] = '\0';
    stdout = out.file;
    stderr = err.file;
    block_count = 0;
    trying = true;
}

static void end_stream(struct stream *s)
{
    long at = ftell(s->file);

    s->text[at >= 0 && at < PRINTED ? at : PRINTED - 1] = '\0';
}

static void end(void)
{
    trying = false;
    end_stream(&out);
    end_stream(&err);
    stdout = real_out;
    stderr = real_err;
}

/* ---- Attempts */

_Noreturn void __real_exit(int status);
_Noreturn void __wrap_exit(int status);
_Noreturn void __real__Exit(int status);
_Noreturn void __wrap__Exit(int status);

void __wrap_exit(int status)
{
    if (!trying)
        __real_exit(status);
    longjmp(back, status + 1);
}

void __wrap__Exit(int status)
{
    if (!trying)
        __real__Exit(status);
    longjmp(back, status + 1);
}

int attempt(void (*run)(void *), void *arg, const char **out_text, const char **err_text)
{
    int status;

    begin();
    status = setjmp(back) - 1;
    if (status == RETURNED)
        run(arg);
    end();
    if (status != RETURNED)
        free_all();
    else if (block_count > 0)
        wrong("%zu blocks leaked", block_count);
    *out_text = out.text;
    *err_text = err.text;
    return status;
}

void wrong(const char *format, ...)
{
    va_list args;

    if (trying)
        end();
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

void expect_message(const char *text, const char *program)
{
    size_t n = strlen(text);

    if (strncmp(text, program, strlen(program)) != 0 || text[n - 1] != '\n' || memchr(text, '\n', n - 1) != NULL)
        wrong("not one message, but '%s'", text);
}
