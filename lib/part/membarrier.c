/* SPDX-License-Identifier: MIT */
#include "part/membarrier.h"

#if defined(__linux__) && !defined(BRIM_YIELD)

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

bool membarrier_register(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool membarrier_all(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

#else

bool membarrier_register(void)
{
    return false;
}

bool membarrier_all(void)
{
    return false;
}

#endif
