/* SPDX-License-Identifier: MIT
 *
 * base/debug: messages go to the hook, and nowhere else.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/debug.h"
#include "support/support.h"

struct heard {
    unsigned count;
    char text[64];
};

static void hear(const char *message, void *arg)
{
    struct heard *h = arg;

    h->count++;
    (void)snprintf(h->text, sizeof h->text, "%s", message);
}

START_TEST(the_hook_hears)
{
    struct heard first = {0, ""}, other = {0, ""};

    brim_set_debug_hook(hear, &first);
    debug_message("one");
    ck_assert_str_eq(first.text, "one");
    brim_set_debug_hook(hear, &other);
    debug_message("two");
    brim_set_debug_hook(NULL, NULL);
    debug_message("three");
    ck_assert_uint_eq(first.count, 1);
    ck_assert_uint_eq(other.count, 1);
    ck_assert_str_eq(other.text, "two");
}
END_TEST

static void tell_pipe(const char *message, void *arg)
{
    ssize_t n = write(*(int *)arg, message, strlen(message));

    (void)n;
}

/* In a child: what its hook was told and its standard error got, and the signal that ended it. */
static int panic(char *text, size_t size, bool hooked)
{
    struct rlimit none = {0, 0};
    int ends[2], status = 0;
    ssize_t n;
    pid_t pid;

    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(ends[1], STDERR_FILENO);
        if (hooked)
            brim_set_debug_hook(tell_pipe, &ends[1]);
        debug_panic("the end");
    }
    close(ends[1]);
    n = read(ends[0], text, size - 1);
    close(ends[0]);
    text[n > 0 ? n : 0] = '\0';
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(panic_tells_and_aborts)
{
    char text[64];

    ck_assert_int_eq(panic(text, sizeof text, true), SIGABRT);
    ck_assert_str_eq(text, "the end");
}
END_TEST

START_TEST(panic_without_hook_prints_nothing)
{
    char text[64];

    ck_assert_int_eq(panic(text, sizeof text, false), SIGABRT);
    ck_assert_str_eq(text, "");
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("debug");

    tcase_add_test(tc, the_hook_hears);
    tcase_add_test(tc, panic_tells_and_aborts);
    tcase_add_test(tc, panic_without_hook_prints_nothing);
    return suite_run(tc);
}
