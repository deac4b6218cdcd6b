/* SPDX-License-Identifier: BSD-2-Clause */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/imds.h"

/* Any bytes as the identity document and as a role's keys. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imds_document document;
    struct imds_role role = {.name = "r"};
    struct err err = ERR_INIT;

    if (imds_parse_document((const char *)data, size, &document, &err) &&
        (strncmp(document.instance_id, "i-", 2) != 0 || document.region[0] == '\0' ||
         strpbrk(document.region, "/.:@ ") != NULL || document.billing_product_count > 8 ||
         document.product_code_count > 8))
        abort();
    if (imds_parse_role((const char *)data, size, &role, &err)) {
        if (role.access_key_id[0] == '\0' || !secret_is_set(&role.secret_key) ||
            role.expires_utc_us == 0 || strcmp(role.name, "r") != 0)
            abort();
        imds_role_free(&role);
    }
    return 0;
}
