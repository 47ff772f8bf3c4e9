/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#else
#define gnu_get_libc_version() "none"
#endif

static void look_at_processor(char *name)
{
    char line[MACHINE_TEXT];
    FILE *f = fopen("/proc/cpuinfo", "re");
    name[0] = '\0';
    while (f != NULL && name[0] == '\0' && fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL)
            snprintf(name, MACHINE_TEXT, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
    }
    if (f != NULL)
        fclose(f);
}

/* The file that holds malloc, without its directory. */
static const char *allocator_file(void)
{
    Dl_info info;
    void *(*function)(size_t) = malloc;
    void *address;
    memcpy(&address, &function, sizeof address);
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
        return "";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash != NULL ? slash + 1 : info.dli_fname;
}

bool machine_plain_malloc(void)
{
    return strncmp(allocator_file(), "libc.so", 7) == 0;
}

void machine_look(struct machine *m)
{
    struct utsname system;
    const time_t now = time(NULL);
    struct tm date;
    memset(m, 0, sizeof *m);
    look_at_processor(m->processor);
    if (uname(&system) == 0)
        snprintf(m->kernel, sizeof m->kernel, "%s %s %s", system.sysname, system.release, system.machine);
    snprintf(m->allocator, sizeof m->allocator, "%s (glibc %s)", allocator_file(), gnu_get_libc_version());
#ifdef __clang__
    m->compiler = __VERSION__;
#else
    m->compiler = "gcc " __VERSION__;
#endif
    m->processors = sysconf(_SC_NPROCESSORS_ONLN);
    m->memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
#ifndef NDEBUG
    m->assertions = true;
#endif
    if (gmtime_r(&now, &date) != NULL)
        strftime(m->day, sizeof m->day, "%Y-%m-%d", &date);
}
