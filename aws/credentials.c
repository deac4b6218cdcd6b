/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/clock.h"
#include "agent/base/parse.h"
#include "aws/credentials_file.h"
#include "aws/imds.h"

enum {
    RETRY_MS = 60 * 1000, /* after a refresh that failed, while keys are valid */
    DOUBT_RETRY_MS = 1000 /* of keys that the service refuses: whatever they say of their end */
};

enum source { SOURCE_NONE, SOURCE_PROFILE, SOURCE_ENVIRONMENT, SOURCE_ROLE };

struct credentials {
    enum source source; /* fixed at opening */
    char *profile;
    char *profile_file;
    pthread_mutex_t fetching; /* taken before lock; held while imds or the file is read */
    struct imds *imds;        /* guarded by fetching */
    pthread_mutex_t lock;     /* never held for long; guards what follows */
    bool have;
    bool doubted;
    int64_t last_try_utc_us; /* while keys are valid the next refresh comes RETRY_MS later */
    struct credentials_key key;
    char role[65];
};

void credentials_key_free(struct credentials_key *key)
{
    secret_free(&key->secret_key);
    secret_free(&key->session_token);
    key->access_key_id[0] = '\0';
    key->expires_utc_us = 0;
}

static bool copy_key(struct credentials_key *to, const struct credentials_key *from,
                     struct err *err)
{
    struct credentials_key made = CREDENTIALS_KEY_INIT;

    if (!secret_copy(&made.secret_key, &from->secret_key, err) ||
        !secret_copy(&made.session_token, &from->session_token, err)) {
        credentials_key_free(&made);
        return false;
    }
    memcpy(made.access_key_id, from->access_key_id, sizeof(made.access_key_id));
    made.expires_utc_us = from->expires_utc_us;
    credentials_key_free(to);
    *to = made;
    return true;
}

/* --- opening --- */

static bool read_environment(struct credentials *credentials, struct err *err)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    const char *token = getenv("AWS_SESSION_TOKEN");
    bool has_id = id != NULL && *id != '\0', has_secret = secret != NULL && *secret != '\0';

    if (!has_id && !has_secret)
        return true;
    if (!has_id || !has_secret || strlen(id) >= CREDENTIALS_ID_BYTES) {
        (void)err_set(err, ERR_CREDENTIALS, 0,
                      "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one makes sense");
        return err_suggest(err, "set both, or none");
    }
    (void)snprintf(credentials->key.access_key_id, sizeof(credentials->key.access_key_id), "%s",
                   id);
    credentials->source = SOURCE_ENVIRONMENT;
    credentials->have = true;
    return secret_set(&credentials->key.secret_key, secret, strlen(secret), err) &&
           (token == NULL || *token == '\0' ||
            secret_set(&credentials->key.session_token, token, strlen(token), err));
}

static bool choose_profile(struct credentials *credentials,
                           const struct credentials_options *options, struct err *err)
{
    const char *file = options->profile_file, *home = getenv("HOME");

    credentials->source = SOURCE_PROFILE;
    if (file == NULL)
        file = getenv("AWS_SHARED_CREDENTIALS_FILE");
    credentials->profile = strdup(options->profile);
    if (file != NULL)
        credentials->profile_file = strdup(file);
    else if (asprintf(&credentials->profile_file, "%s/.aws/credentials", home ? home : "") < 0)
        credentials->profile_file = NULL;
    return (credentials->profile != NULL && credentials->profile_file != NULL) ||
           err_set(err, ERR_INTERNAL, 0, "out of memory");
}

bool credentials_open(const struct credentials_options *options,
                      struct credentials **ret_credentials, struct err *err)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));
    bool ok = true;

    if (credentials == NULL || pthread_mutex_init(&credentials->lock, NULL) != 0 ||
        pthread_mutex_init(&credentials->fetching, NULL) != 0) {
        free(credentials);
        imds_free(options->take_imds);
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    }
    credentials->imds = options->take_imds;
    if (options->profile != NULL && *options->profile != '\0')
        ok = choose_profile(credentials, options, err);
    else if (options->use_environment)
        ok = read_environment(credentials, err);
    if (credentials->source == SOURCE_NONE && credentials->imds != NULL)
        credentials->source = SOURCE_ROLE;
    if (!ok) {
        credentials_free(credentials);
        return false;
    }
    *ret_credentials = credentials;
    return true;
}

void credentials_free(struct credentials *credentials)
{
    if (credentials == NULL)
        return;
    credentials_key_free(&credentials->key);
    imds_free(credentials->imds);
    (void)pthread_mutex_destroy(&credentials->lock);
    (void)pthread_mutex_destroy(&credentials->fetching);
    free(credentials->profile);
    free(credentials->profile_file);
    free(credentials);
}

/* --- fetching --- */

/* What a fetch brings. */
struct fetched {
    struct credentials_key key;
    char role[65];
};

static bool fetch_role(struct credentials *credentials, int64_t deadline_ms,
                       const struct cancel *cancel, struct fetched *ret_fetched, struct err *err)
{
    struct credentials_key *key = &ret_fetched->key;
    struct imds_role role;

    if (!imds_role(credentials->imds, deadline_ms, cancel, &role, err))
        return false;
    memcpy(key->access_key_id, role.access_key_id, sizeof(role.access_key_id));
    key->secret_key = role.secret_key; /* moved */
    key->session_token = role.session_token;
    key->expires_utc_us = role.expires_utc_us;
    memcpy(ret_fetched->role, role.name, sizeof(role.name));
    return true;
}

static bool fetch(struct credentials *credentials, int64_t deadline_ms, const struct cancel *cancel,
                  struct fetched *ret_fetched, struct err *err)
{
    switch (credentials->source) {
    case SOURCE_ENVIRONMENT: /* was read at opening, and does not change */
        return copy_key(&ret_fetched->key, &credentials->key, err);
    case SOURCE_PROFILE:
        return credentials_read_file(credentials->profile_file, credentials->profile,
                                     &ret_fetched->key, err);
    case SOURCE_ROLE:
        return fetch_role(credentials, deadline_ms, cancel, ret_fetched, err);
    case SOURCE_NONE:
        break;
    }
    (void)err_set(err, ERR_CREDENTIALS, 0, "no AWS credentials are configured");
    return err_suggest(err, "set profile in [aws], or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                            "in the daemon's environment, or identity = imds on an EC2 instance");
}

/* --- getting; what is static here is called with the lock held --- */

static bool valid_for(const struct credentials *credentials, int64_t utc_us, int64_t ms)
{
    return credentials->have && (credentials->key.expires_utc_us == 0 ||
                                 credentials->key.expires_utc_us - utc_us > ms * 1000);
}

static bool refuse_short(const struct credentials *credentials, int64_t utc_us,
                         int64_t min_valid_ms, struct err *err)
{
    char left[32], need[32];
    int64_t left_ms = (credentials->key.expires_utc_us - utc_us) / 1000;

    if (!credentials->have) /* only with no_refresh */
        return err_set(err, ERR_CREDENTIALS, 0, "no AWS credentials at hand");
    if (left_ms <= 0)
        (void)err_set(err, ERR_CREDENTIALS, 0, "the AWS credentials have expired");
    else
        (void)err_set(err, ERR_CREDENTIALS, 0,
                      "the AWS credentials end in %s, and are needed for %s",
                      parse_duration_text(left_ms < 1000 ? left_ms : left_ms / 1000 * 1000, left),
                      parse_duration_text(min_valid_ms, need));
    return err_suggest(err,
                       "the instance metadata service renews a role's keys some minutes before "
                       "they end: try again then; if it stays so, check this node's clock");
}

/* On the clock of the argument, so a jump of it backwards counts as long ago. */
static bool just_tried(const struct credentials *credentials, int64_t utc_us)
{
    int64_t ago_us = utc_us - credentials->last_try_utc_us;

    return ago_us >= 0 &&
           ago_us < (credentials->doubted ? DOUBT_RETRY_MS : RETRY_MS) * INT64_C(1000);
}

/* Whether keys are there that need no fetch now. The service may hand out the same keys for a while
 * although they end soon: that is no reason to ask at once. */
static bool good_enough(const struct credentials *credentials, int64_t utc_us, int64_t min_valid_ms)
{
    bool fresh = !credentials->doubted && valid_for(credentials, utc_us, CREDENTIALS_EARLY_MS);

    return valid_for(credentials, utc_us, min_valid_ms) &&
           (fresh || just_tried(credentials, utc_us));
}

/* Fetches and puts in; fetching is held, the lock is taken here. */
static bool renew(struct credentials *credentials, int64_t utc_us, int64_t deadline_ms,
                  const struct cancel *cancel, struct err *err)
{
    struct fetched fetched = {.key = CREDENTIALS_KEY_INIT, .role = ""};
    bool ok = fetch(credentials, deadline_ms, cancel, &fetched, err);

    (void)pthread_mutex_lock(&credentials->lock);
    credentials->last_try_utc_us = utc_us;
    if (ok) {
        credentials_key_free(&credentials->key);
        credentials->key = fetched.key; /* moved */
        memcpy(credentials->role, fetched.role, sizeof(fetched.role));
        credentials->have = true;
        credentials->doubted = false;
    }
    (void)pthread_mutex_unlock(&credentials->lock);
    return ok;
}

/* Without any lock held. true: there is something to judge, maybe no better than before. */
static bool ensure(struct credentials *credentials, int64_t utc_us, int64_t min_valid_ms,
                   int64_t deadline_ms, const struct cancel *cancel, struct err *err)
{
    struct err failure = ERR_INIT;
    bool good, usable, ok = true;

    (void)pthread_mutex_lock(&credentials->lock);
    good = good_enough(credentials, utc_us, min_valid_ms);
    usable = valid_for(credentials, utc_us, min_valid_ms);
    (void)pthread_mutex_unlock(&credentials->lock);
    if (good)
        return true;
    if (usable && pthread_mutex_trylock(&credentials->fetching) != 0)
        return true; /* somebody is at it; what is there will do */
    if (!usable)
        (void)pthread_mutex_lock(&credentials->fetching);
    (void)pthread_mutex_lock(&credentials->lock);
    good = good_enough(credentials, utc_us, min_valid_ms); /* fetched while we waited? */
    (void)pthread_mutex_unlock(&credentials->lock);
    if (!good)
        ok = renew(credentials, utc_us, deadline_ms, cancel, &failure);
    (void)pthread_mutex_unlock(&credentials->fetching);
    if (ok || (usable && failure.kind != ERR_CANCELLED))
        return true; /* what is still valid is used on */
    *err = failure;
    return false;
}

bool credentials_get(struct credentials *credentials, int64_t utc_us, int64_t min_valid_ms,
                     bool no_refresh, int64_t deadline_ms, const struct cancel *cancel,
                     struct credentials_key *ret_key, struct err *err)
{
    if (!no_refresh && !ensure(credentials, utc_us, min_valid_ms, deadline_ms, cancel, err))
        return err_wrap(err, "credentials");
    (void)pthread_mutex_lock(&credentials->lock);
    bool ok = valid_for(credentials, utc_us, min_valid_ms)
                  ? copy_key(ret_key, &credentials->key, err)
                  : refuse_short(credentials, utc_us, min_valid_ms, err);
    (void)pthread_mutex_unlock(&credentials->lock);
    return ok || err_wrap(err, "credentials");
}

void credentials_doubt(struct credentials *credentials)
{
    (void)pthread_mutex_lock(&credentials->lock);
    credentials->doubted = true;
    (void)pthread_mutex_unlock(&credentials->lock);
}

char *credentials_source(struct credentials *credentials, char *text, size_t size)
{
    (void)pthread_mutex_lock(&credentials->lock);
    switch (credentials->source) {
    case SOURCE_NONE:
        (void)snprintf(text, size, "none");
        break;
    case SOURCE_ENVIRONMENT:
        (void)snprintf(text, size, "environment");
        break;
    case SOURCE_PROFILE:
        (void)snprintf(text, size, "profile %s", credentials->profile);
        break;
    case SOURCE_ROLE:
        (void)snprintf(text, size, credentials->have ? "role %s" : "the instance's role%s",
                       credentials->have ? credentials->role : "");
        break;
    }
    (void)pthread_mutex_unlock(&credentials->lock);
    return text;
}
