/* SPDX-License-Identifier: BSD-2-Clause */
/* In a build with COVER=1 `_exit` is this (Makefile): the guard's processes and the children that
 * end by it leave what they ran on record, too. */
#undef _exit
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void); /* NOLINT: gcc's gcov.h, which other compilers have not */
_Noreturn void cover_exit(int status);

_Noreturn void cover_exit(int status)
{
    __gcov_dump();
    for (;;)
        (void)syscall(SYS_exit_group, status);
}
