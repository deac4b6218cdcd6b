/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "agent/base/clock.h"

enum {
    PAIRS_MAX = 64,
    CANONICAL_MAX_BYTES = 1024 * 1024,
    DIGEST_BYTES = 32,
    SECRET_KEY_MAX_BYTES = 256
};

/* One header or one query parameter; both halves already as they are signed. */
struct pair {
    struct buf name;
    struct buf value;
    size_t index; /* equal header names keep their order */
};

struct pairs {
    struct pair list[PAIRS_MAX];
    size_t count;
};

static void pairs_free(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        buf_wipe(&pairs->list[i].name);
        buf_wipe(&pairs->list[i].value); /* the session token is one of them */
    }
    free(pairs);
}

static struct pair *pairs_new(struct pairs *pairs, const char *what, struct err *err)
{
    if (pairs->count == PAIRS_MAX) {
        (void)err_set(err, ERR_LIMIT, 0, "signing: more than %d %s", PAIRS_MAX, what);
        return NULL;
    }
    struct pair *pair = &pairs->list[pairs->count];
    *pair =
        (struct pair){BUF_INIT(CANONICAL_MAX_BYTES), BUF_INIT(CANONICAL_MAX_BYTES), pairs->count};
    pairs->count++;
    return pair;
}

static void to_hex(const unsigned char *digest, char *ret_hex)
{
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        (void)snprintf(ret_hex + 2 * i, 3, "%02x", digest[i]);
}

static bool sha256_hex(const void *bytes, size_t len, char *ret_hex, struct err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;

    if (EVP_Digest(len > 0 ? bytes : "", len, digest, &digest_len, EVP_sha256(), NULL) != 1 ||
        digest_len != DIGEST_BYTES)
        return err_set(err, ERR_INTERNAL, 0, "signing: SHA-256 failed");
    to_hex(digest, ret_hex);
    return true;
}

bool sigv4_encode(struct buf *out, const char *text, size_t len, bool keep_slash, struct err *err)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        char code[4] = {(char)c, '\0', '\0', '\0'};
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
        if (!plain)
            (void)snprintf(code, sizeof(code), "%%%02X", c);
        if (!buf_add(out, code, plain ? 1 : 3, err))
            return false;
    }
    return true;
}

/* --- path --- */

/* Drops "//" and ".", resolves "..", keeps a slash at the end. RFC 3986, 5.2.4, never above "/". */
static bool normalize_path(const char *path, struct buf *ret_path, struct err *err)
{
    bool ends_in_slash = true; /* also after "/." and "/.." */

    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");
        if (len == 2 && strncmp(at, "..", 2) == 0) {
            const char *last = ret_path->len > 0 ? strrchr(ret_path->data, '/') : NULL;
            if (last != NULL) {
                ret_path->len = (size_t)(last - ret_path->data);
                ret_path->data[ret_path->len] = '\0';
            }
            ends_in_slash = true;
        } else if (len > 0 && !(len == 1 && *at == '.')) {
            if (!buf_add(ret_path, "/", 1, err) || !buf_add(ret_path, at, len, err))
                return false;
            ends_in_slash = false;
        } else {
            ends_in_slash = true;
        }
        at += len;
        if (*at == '/') {
            at++;
            ends_in_slash = true;
        }
    }
    return !(ends_in_slash || ret_path->len == 0) || buf_add(ret_path, "/", 1, err);
}

static bool add_path(const struct sigv4_request *request, struct buf *out, struct err *err)
{
    const char *path = request->path == NULL || *request->path == '\0' ? "/" : request->path;
    AUTO_BUF struct buf normal = BUF_INIT(CANONICAL_MAX_BYTES);

    if (request->rules == SIGV4_S3)
        return buf_add_text(out, path, err);
    if (request->rules == SIGV4_NO_NORMALIZE)
        return sigv4_encode(out, path, strlen(path), true, err);
    return normalize_path(path, &normal, err) &&
           sigv4_encode(out, normal.data, normal.len, true, err);
}

/* --- query --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What is percent-encoded already is not encoded twice. */
static bool encode_again(struct buf *out, const char *text, size_t len, struct err *err)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        if (!sigv4_encode(out, &c, 1, false, err))
            return false;
    }
    return true;
}

static int by_name_and_value(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    int order = strcmp(buf_text(&a->name), buf_text(&b->name));

    return order != 0 ? order : strcmp(buf_text(&a->value), buf_text(&b->value));
}

static bool collect_query(const char *query, struct pairs *pairs, struct err *err)
{
    for (const char *at = query; *at != '\0';) {
        size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        struct pair *pair = len > 0 ? pairs_new(pairs, "query parameters", err) : NULL;
        if (len > 0 && pair == NULL)
            return false;
        if (pair != NULL && (!encode_again(&pair->name, at, name_len, err) ||
                             (name_len < len && !encode_again(&pair->value, at + name_len + 1,
                                                              len - name_len - 1, err))))
            return false;
        at += len + (at[len] == '&' ? 1 : 0);
    }
    return true;
}

static bool add_query(const char *query, struct buf *out, struct err *err)
{
    struct pairs *pairs = calloc(1, sizeof(*pairs));
    bool ok = pairs != NULL || err_set(err, ERR_INTERNAL, 0, "signing: out of memory");

    ok = ok && (query == NULL || collect_query(query, pairs, err));
    if (ok && pairs->count > 1)
        qsort(pairs->list, pairs->count, sizeof(pairs->list[0]), by_name_and_value);
    for (size_t i = 0; ok && i < pairs->count; i++)
        ok = buf_printf(out, err, "%s%s=%s", i > 0 ? "&" : "", buf_text(&pairs->list[i].name),
                        buf_text(&pairs->list[i].value));
    if (pairs != NULL)
        pairs_free(pairs);
    return ok;
}

/* --- headers --- */

static int by_name_and_index(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    int order = strcmp(buf_text(&a->name), buf_text(&b->name));

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* Lower-case name; value without white space at its ends, runs of it inside made one space. */
static bool collect_header(const char *name, const char *value, struct pairs *pairs,
                           struct err *err)
{
    struct pair *pair = pairs_new(pairs, "headers", err);
    bool space = false;

    if (pair == NULL)
        return false;
    for (; *name != '\0'; name++) {
        char c = (char)tolower((unsigned char)*name);
        if (!buf_add(&pair->name, &c, 1, err))
            return false;
    }
    for (; *value != '\0'; value++) {
        if (isspace((unsigned char)*value)) {
            space = pair->value.len > 0;
            continue;
        }
        if ((space && !buf_add(&pair->value, " ", 1, err)) || !buf_add(&pair->value, value, 1, err))
            return false;
        space = false;
    }
    return true;
}

static bool has_header(const struct sigv4_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

static bool collect_headers(const struct sigv4_request *request, const struct sigv4_key *key,
                            const struct sigv4_signed *made, struct pairs *pairs, struct err *err)
{
    bool sha = request->rules == SIGV4_S3 || request->add_content_sha256;
    bool token = key->session_token != NULL && secret_is_set(key->session_token);

    for (size_t i = 0; i < request->header_count; i++)
        if (!collect_header(request->headers[i].name, request->headers[i].value, pairs, err))
            return false;
    if (sha && !has_header(request, "x-amz-content-sha256") &&
        !collect_header("x-amz-content-sha256", made->body_sha256, pairs, err))
        return false;
    if (!has_header(request, "x-amz-date") && !collect_header("x-amz-date", made->date, pairs, err))
        return false;
    if (token && !has_header(request, "x-amz-security-token") &&
        !collect_header("x-amz-security-token", key->session_token->bytes, pairs, err))
        return false;
    qsort(pairs->list, pairs->count, sizeof(pairs->list[0]), by_name_and_index);
    return true;
}

/* OUT gets "name:value\n" a name, SIGNED the names with ';' between. */
static bool add_headers(const struct pairs *pairs, struct buf *out, struct buf *ret_signed,
                        struct err *err)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const char *name = buf_text(&pairs->list[i].name);
        bool same = i > 0 && strcmp(name, buf_text(&pairs->list[i - 1].name)) == 0;
        if (!same && (!buf_printf(out, err, "%s%s:", i > 0 ? "\n" : "", name) ||
                      !buf_printf(ret_signed, err, "%s%s", i > 0 ? ";" : "", name)))
            return false;
        if ((same && !buf_add(out, ",", 1, err)) ||
            !buf_add_text(out, buf_text(&pairs->list[i].value), err))
            return false;
    }
    return buf_add(out, "\n", 1, err);
}

/* --- the three steps --- */

static bool make_canonical(const struct sigv4_request *request, const struct sigv4_key *key,
                           struct sigv4_signed *made, struct buf *ret_signed_names, struct err *err)
{
    struct buf *out = &made->canonical_request;
    struct pairs *pairs = calloc(1, sizeof(*pairs));

    if (pairs == NULL)
        return err_set(err, ERR_INTERNAL, 0, "signing: out of memory");
    bool ok = buf_printf(out, err, "%s\n", request->method) && add_path(request, out, err) &&
              buf_add(out, "\n", 1, err) && add_query(request->query, out, err) &&
              buf_add(out, "\n", 1, err) && collect_headers(request, key, made, pairs, err) &&
              add_headers(pairs, out, ret_signed_names, err) &&
              buf_printf(out, err, "\n%s\n%s", ret_signed_names->data, made->body_sha256);
    pairs_free(pairs);
    return ok;
}

static bool hmac(const unsigned char *key, size_t key_len, const char *text,
                 unsigned char *ret_digest, struct err *err)
{
    unsigned len = 0;

    if (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), ret_digest,
             &len) == NULL ||
        len != DIGEST_BYTES)
        return err_set(err, ERR_INTERNAL, 0, "signing: HMAC failed");
    return true;
}

/* The signing key is derived in four steps, then signs; every key on the way is wiped. */
static bool make_signature(const struct sigv4_request *request, const struct sigv4_key *key,
                           struct sigv4_signed *made, struct err *err)
{
    unsigned char start[4 + SECRET_KEY_MAX_BYTES] = "AWS4", one[EVP_MAX_MD_SIZE],
                            two[EVP_MAX_MD_SIZE];
    size_t start_len = 4 + key->secret_key->len;
    char day[9];

    if (!secret_is_set(key->secret_key) || key->secret_key->len > SECRET_KEY_MAX_BYTES)
        return err_set(err, ERR_CREDENTIALS, 0, "the secret access key is empty or too long");
    memcpy(start + 4, key->secret_key->bytes, key->secret_key->len);
    memcpy(day, made->date, 8);
    day[8] = '\0';
    bool ok = hmac(start, start_len, day, one, err) &&
              hmac(one, DIGEST_BYTES, request->region, two, err) &&
              hmac(two, DIGEST_BYTES, request->service, one, err) &&
              hmac(one, DIGEST_BYTES, "aws4_request", two, err) &&
              hmac(two, DIGEST_BYTES, made->string_to_sign.data, one, err);
    if (ok)
        to_hex(one, made->signature);
    explicit_bzero(start, sizeof(start));
    explicit_bzero(one, sizeof(one));
    explicit_bzero(two, sizeof(two));
    return ok;
}

static bool sign(const struct sigv4_request *request, const struct sigv4_key *key,
                 struct sigv4_signed *made, struct buf *names, struct err *err)
{
    char compact[CLOCK_TEXT_BYTES], canonical_hex[SIGV4_HEX_BYTES];

    (void)clock_utc_compact(request->utc_s * 1000000, compact);
    (void)snprintf(made->date, sizeof(made->date), "%.16s", compact);
    return sha256_hex(request->body, request->body_len, made->body_sha256, err) &&
           make_canonical(request, key, made, names, err) &&
           sha256_hex(made->canonical_request.data, made->canonical_request.len, canonical_hex,
                      err) &&
           buf_printf(&made->string_to_sign, err,
                      "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", made->date, made->date,
                      request->region, request->service, canonical_hex) &&
           make_signature(request, key, made, err) &&
           buf_printf(&made->authorization, err,
                      "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, "
                      "Signature=%s",
                      key->access_key_id, made->date, request->region, request->service,
                      names->data, made->signature);
}

bool sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
                struct sigv4_signed *ret_signed, struct err *err)
{
    AUTO_BUF struct buf names = BUF_INIT(CANONICAL_MAX_BYTES);

    *ret_signed = (struct sigv4_signed){.canonical_request = BUF_INIT(CANONICAL_MAX_BYTES),
                                        .string_to_sign = BUF_INIT(CANONICAL_MAX_BYTES),
                                        .authorization = BUF_INIT(CANONICAL_MAX_BYTES)};
    if (sign(request, key, ret_signed, &names, err))
        return true;
    sigv4_free(ret_signed);
    return false;
}

void sigv4_free(struct sigv4_signed *what)
{
    buf_wipe(&what->canonical_request); /* holds the session token */
    buf_wipe(&what->string_to_sign);
    buf_wipe(&what->authorization);
    explicit_bzero(what, sizeof(*what));
}
