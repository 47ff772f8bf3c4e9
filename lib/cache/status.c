/* SPDX-License-Identifier: MIT */
#include "brim.h"

#define QUOTE(x) #x
#define QUOTE_VALUE(x) QUOTE(x)

const char *brim_strerror(brim_status status)
{
    static const char *const text[] = {
        [BRIM_OK] = "success",
        [BRIM_CLAIMED] = "the load is the caller's to make",
        [BRIM_PENDING] = "another thread is loading it",
        [BRIM_TIMEOUT] = "the time is up",
        [BRIM_EXISTS] = "there is an entry already",
        [BRIM_TOO_BIG] = "the cost exceeds the capacity",
        [BRIM_FULL] = "too much of the capacity is held or reserved",
        [BRIM_NOMEM] = "no memory",
        [BRIM_INVALID] = "invalid argument",
        [BRIM_FAILED] = "the load failed",
        [BRIM_CANCELED] = "canceled",
        [BRIM_DEADLOCK] = "it would wait for itself",
        [BRIM_UNSUPPORTED] = "not supported",
    };

    if ((unsigned)status >= sizeof text / sizeof text[0])
        return "unknown status";
    return text[status];
}

const char *brim_version(void)
{
    return QUOTE_VALUE(BRIM_VERSION_MAJOR) "." QUOTE_VALUE(BRIM_VERSION_MINOR) "." QUOTE_VALUE(BRIM_VERSION_PATCH);
}
