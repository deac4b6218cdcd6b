/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/restore_remedy.h"

#include <string.h>

bool restore_remedy_suggest(const struct restore_remedy *list, const struct ec2 *ec2,
                            struct err *err)
{
    const struct aws_error *error = &ec2_outcome(ec2)->error;

    if (error->code[0] == '\0' || strstr(err->text, error->code) == NULL)
        return false; /* an earlier request's */
    for (; list->code != NULL; list++) {
        if (strcmp(error->code, list->code) != 0 ||
            (list->within != NULL && strstr(error->message, list->within) == NULL))
            continue;
        err->remedy[0] = '\0';
        return err_suggest(err, "%s", list->remedy);
    }
    return false;
}
