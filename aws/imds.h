/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_IMDS_H
#define STILLPOINT_IMDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "agent/base/secret.h"

/* The instance metadata service, version 2 only: a session token for six hours, renewed once when
 * it is refused. Never through a proxy; an answer is at most 64 KiB; a connect takes 1 s at most,
 * an exchange 2 s, and 3 tries are made in all. */
struct imds; /* opaque; one thread at a time */

/* ENDPOINT: "http://169.254.169.254" where NULL or ""; else what the configuration or
 * AWS_EC2_METADATA_SERVICE_ENDPOINT says (http or https, no path). */
bool imds_open(const char *endpoint, struct imds **ret_imds, struct err *err);
void imds_free(struct imds *imds);

/* One item, e.g. "meta-data/services/domain" (below /latest/), added to RET_TEXT as it came.
 *   false  ERR_NOT_FOUND 404: no such item; ERR_IMDS not there, switched off (403), token refused
 *          twice, 5xx to the end; ERR_DEADLINE, ERR_CANCELLED, ERR_LIMIT.
 *          Each with its own sentence and remedy. */
bool imds_item(struct imds *imds, const char *path, int64_t deadline_ms,
               const struct cancel *cancel, struct buf *ret_text, struct err *err);

enum { IMDS_ID_BYTES = 40, IMDS_NAME_BYTES = 64 };

/* The instance identity document. */
struct imds_document {
    char instance_id[IMDS_ID_BYTES];
    char region[IMDS_ID_BYTES];
    char availability_zone[IMDS_ID_BYTES];
    char account_id[IMDS_ID_BYTES];
    char architecture[IMDS_ID_BYTES];
    char image_id[IMDS_ID_BYTES];
    char instance_type[IMDS_ID_BYTES];
    char private_ip[IMDS_ID_BYTES]; /* "" where there is none */
    int64_t pending_utc_us;         /* last launch (pendingTime), 0 where not told */
    size_t billing_product_count;   /* billingProducts */
    char billing_products[8][IMDS_NAME_BYTES];
    size_t product_code_count; /* marketplaceProductCodes and devpayProductCodes */
    char product_codes[8][IMDS_NAME_BYTES];
};

/* false: as imds_item; ERR_PROTOCOL where it is not such a document (a field missing, of another
 * type, too long, malformed) */
bool imds_document(struct imds *imds, int64_t deadline_ms, const struct cancel *cancel,
                   struct imds_document *ret_document, struct err *err);
/* The same from its text. Pure. */
bool imds_parse_document(const char *text, size_t len, struct imds_document *ret_document,
                         struct err *err);

/* Keys of the instance's role. Freed by imds_role_free, which wipes. */
struct imds_role {
    char name[IMDS_NAME_BYTES + 1];
    char access_key_id[129];
    struct secret secret_key;
    struct secret session_token;
    int64_t expires_utc_us;
};

/* false: as imds_item; ERR_CREDENTIALS no role is attached, or the service has no keys for it */
bool imds_role(struct imds *imds, int64_t deadline_ms, const struct cancel *cancel,
               struct imds_role *ret_role, struct err *err);
/* The same from the JSON of iam/security-credentials/ROLE; does not touch the name. Pure. */
bool imds_parse_role(const char *text, size_t len, struct imds_role *ret_role, struct err *err);
void imds_role_free(struct imds_role *role);

#endif
