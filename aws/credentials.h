/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CREDENTIALS_H
#define STILLPOINT_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/deadline.h"
#include "agent/base/err.h"
#include "agent/base/secret.h"

struct imds;

/* Where keys come from, in this order: the profile if one is named, the environment, the role of
 * the instance. Keys of a role are renewed when less than 15 minutes are left; where that fails,
 * what is still valid is used on.
 *
 * Thread-safe. Two mutexes inside, taken in this order: one is held while keys are fetched (the
 * imds is used under it only, and by nobody else), the other for the moment of reading or changing
 * what is there. A caller that may not fetch, or has keys that do, never waits for the first. */
struct credentials; /* opaque; shared by all clients of a process */

enum { CREDENTIALS_ID_BYTES = 129, CREDENTIALS_EARLY_MS = 15 * 60 * 1000 };

struct credentials_options {
    const char *profile;      /* [aws] profile; NULL or "": none */
    const char *profile_file; /* NULL: $AWS_SHARED_CREDENTIALS_FILE, then $HOME/.aws/credentials */
    bool use_environment;     /* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN */
    struct imds *take_imds; /* NULL: no role ([aws] identity = none); swallowed, also on failure */
};

/* One caller's own copy of the keys; freed (wiped) by credentials_key_free. */
struct credentials_key {
    char access_key_id[CREDENTIALS_ID_BYTES];
    struct secret secret_key;
    struct secret session_token;
    int64_t expires_utc_us; /* 0: do not end */
};

#define CREDENTIALS_KEY_INIT                                                                       \
    {                                                                                              \
        "", SECRET_INIT, SECRET_INIT, 0                                                            \
    }

/* Reads the environment, but no file and no network yet. false: ERR_INTERNAL, ERR_CREDENTIALS (half
 * of a pair in the environment) */
bool credentials_open(const struct credentials_options *options,
                      struct credentials **ret_credentials, struct err *err);
void credentials_free(struct credentials *credentials);

/* A copy of keys that are valid for MIN_VALID_MS more.
 *   utc_us        the time to judge by (corrected by the caller where it knows the clock to be off)
 *   min_valid_ms  0: valid now is enough
 *   no_refresh    in a hold: what is there or nothing, no file and no network is touched
 *   false         ERR_CREDENTIALS none to be had, or all end too soon (the remedy says which);
 *                 ERR_DEADLINE, ERR_CANCELLED; RET_KEY is untouched */
bool credentials_get(struct credentials *credentials, int64_t utc_us, int64_t min_valid_ms,
                     bool no_refresh, int64_t deadline_ms, const struct cancel *cancel,
                     struct credentials_key *ret_key, struct err *err);
/* The service refused the keys: the next credentials_get asks again, once a second at most. */
void credentials_doubt(struct credentials *credentials);
void credentials_key_free(struct credentials_key *key);

/* For status and doctor: "role stillpoint-node", "environment", "profile backup", "none yet" into
 * TEXT; returns TEXT. */
char *credentials_source(struct credentials *credentials, char *text, size_t size);

#endif
