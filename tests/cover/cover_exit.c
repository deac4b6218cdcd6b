/* SPDX-License-Identifier: BSD-2-Clause */
/* In a build with COVER=1 `_exit` is this (Makefile): the guard's processes and the children that
 * end by it leave what they ran on record, too. Not those in a mount namespace of their own (a copy
 * session's): from there the counters' files can't be reached. */
#undef _exit
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void __gcov_dump(void); /* NOLINT: gcc's gcov.h, which other compilers have not */
_Noreturn void cover_exit(int status);

static ino_t at_start;

static ino_t mount_namespace(void)
{
    struct stat shown;

    return stat("/proc/self/ns/mnt", &shown) == 0 ? shown.st_ino : 0;
}

__attribute__((constructor)) static void remember_namespace(void)
{
    at_start = mount_namespace();
}

_Noreturn void cover_exit(int status)
{
    if (mount_namespace() == at_start)
        __gcov_dump();
    for (;;)
        (void)syscall(SYS_exit_group, status);
}
