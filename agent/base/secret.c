/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SECRET_MAX_BYTES = 64 * 1024 };

bool secret_set(struct secret *secret, const char *text, size_t len, struct err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (len > SECRET_MAX_BYTES)
        return err_set(err, ERR_LIMIT, 0, "a secret of more than %d bytes", SECRET_MAX_BYTES);
    size_t mapped = (len + 1 + page - 1) / page * page;
    char *bytes = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        return err_set(err, ERR_SYS, errno, "memory for a secret");
    (void)madvise(bytes, mapped, MADV_DONTDUMP); /* best effort: dumps are off as a whole too */
    (void)mlock(bytes, mapped);                  /* RLIMIT_MEMLOCK may be small */
    memcpy(bytes, text, len);
    secret_free(secret);
    secret->bytes = bytes;
    secret->len = len;
    secret->mapped_bytes = mapped;
    return true;
}

bool secret_copy(struct secret *to, const struct secret *from, struct err *err)
{
    if (!secret_is_set(from)) {
        secret_free(to);
        return true;
    }
    return secret_set(to, from->bytes, from->len, err);
}

void secret_free(struct secret *secret)
{
    if (secret->bytes != NULL) {
        explicit_bzero(secret->bytes, secret->mapped_bytes);
        (void)munmap(secret->bytes, secret->mapped_bytes);
    }
    *secret = (struct secret)SECRET_INIT;
}

bool secret_is_set(const struct secret *secret)
{
    return secret->bytes != NULL && secret->len > 0;
}
