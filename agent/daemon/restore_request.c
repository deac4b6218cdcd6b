/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/restore_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/base/control_wire.h"
#include "agent/base/tag.h"
#include "agent/base/utf8.h"
#include "aws/ec2_launch.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

enum { TOKEN_HASH_BYTES = 24, RANDOM_BYTES = 16, USER_DATA_BASE64_MAX = 22 * 1024 };

/* --- reading ------------------------------------------------------------------------------- */

static bool odd(const char *option, const char *text, const char *form, struct err *err)
{
    (void)err_set(err, ERR_USAGE, 0, "--%s: '%.60s' is none", option, text);
    return err_suggest(err, "write it as %s", form);
}

bool restore_text_check(const char *option, const char *text, const char *start,
                        const char *characters, size_t bytes, const char *form, struct err *err)
{
    size_t len = text != NULL ? strlen(text) : 0, skip = strlen(start);

    return text == NULL ||
           (len > skip && len < bytes && strncmp(text, start, skip) == 0 &&
            strspn(text + skip, characters) == len - skip) ||
           odd(option, text, form, err);
}

/* An instance profile's name or ARN, a key pair's name: no blanks to speak of. */
static bool check_name(const char *option, const char *text, size_t bytes, struct err *err)
{
    if (text == NULL || (text[0] != '\0' && strlen(text) < bytes && utf8_is_valid(text)))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "--%s is empty or too long", option);
    return err_suggest(err, "write its name as EC2 shows it");
}

static bool check_texts(const struct restore_request *request, struct err *err)
{
    struct in_addr address;

    for (size_t i = 0; i < request->group_count; i++) {
        if (!restore_text_check("security-group", request->groups[i], "sg-", LETTERS DIGITS,
                                EC2_ID_BYTES, "sg-0123456789abcdef0", err))
            return false;
    }
    if (request->private_ip != NULL && inet_pton(AF_INET, request->private_ip, &address) != 1)
        return odd("private-ip", request->private_ip, "10.0.0.9", err);
    if (request->name != NULL &&
        (request->name[0] == '\0' || utf8_count(request->name) > TAG_VALUE_CHARS_MAX)) {
        (void)err_set(err, ERR_USAGE, 0, "--name is empty or longer than %d characters",
                      TAG_VALUE_CHARS_MAX);
        return err_suggest(err, "name the node as its tag Name is to say");
    }
    return restore_text_check("type", request->type, "", LETTERS DIGITS ".-", EC2_NAME_BYTES,
                              "m5.large", err) &&
           restore_text_check("subnet", request->subnet, "subnet-", LETTERS DIGITS, EC2_ID_BYTES,
                              "subnet-0123456789abcdef0", err) &&
           restore_text_check("zone", request->zone, "", LETTERS DIGITS "-", EC2_NAME_BYTES,
                              "eu-west-1a", err) &&
           check_name("key", request->key_name, EC2_KEY_NAME_BYTES, err) &&
           check_name("profile", request->profile, EC2_ARN_BYTES, err);
}

static bool read_groups(const json_t *args, struct restore_request *request, struct err *err)
{
    const json_t *list = json_object_get(args, "security_groups"), *item;
    size_t i;

    if (list != NULL && !json_is_array(list))
        return err_set(err, ERR_USAGE, 0, "security_groups must be a list");
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return err_set(err, ERR_USAGE, 0, "security_groups must be texts");
        if (request->group_count == EC2_SECURITY_GROUPS_MAX) {
            (void)err_set(err, ERR_USAGE, 0, "more than %d security groups",
                          EC2_SECURITY_GROUPS_MAX);
            return err_suggest(err, "an instance's interface takes no more");
        }
        request->groups[request->group_count++] = json_string_value(item);
    }
    return true;
}

static bool read_tags(const json_t *tags, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)tags, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_USAGE, 0, "tag %s: its value must be a text", key);
        if (!tag_check_own(key, json_string_value(value), err))
            return err_wrap(err, "tags");
    }
    return true;
}

static bool check_user_data(const char *text, struct err *err)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LETTERS DIGITS "+/=";
    size_t len = text != NULL ? strlen(text) : 0;

    if (len <= USER_DATA_BASE64_MAX && (len == 0 || strspn(text, base64) == len))
        return true;
    (void)err_set(err, ERR_USAGE, 0, "user data: not base64, or more than %d bytes",
                  EC2_USER_DATA_MAX_BYTES);
    return err_suggest(err, "EC2 takes no more: have a short script fetch the rest");
}

static bool read_all(const json_t *args, struct restore_request *request, json_t **tags,
                     const char **wait, struct err *err)
{
    static const char *const keys[] = {
        "id",   "type", "subnet",  "security_groups", "key",       "profile", "private_ip", "name",
        "tags", "zone", "replace", "another",         "user_data", "wait",    "dry_run",    NULL};

    return control_only_keys(args, keys, err) &&
           control_get_string(args, "id", &request->id, err) &&
           control_opt_string(args, "type", &request->type, err) &&
           control_opt_string(args, "subnet", &request->subnet, err) &&
           control_opt_string(args, "zone", &request->zone, err) &&
           control_opt_string(args, "key", &request->key_name, err) &&
           control_opt_string(args, "profile", &request->profile, err) &&
           control_opt_string(args, "private_ip", &request->private_ip, err) &&
           control_opt_string(args, "name", &request->name, err) &&
           control_opt_string(args, "user_data", &request->user_data, err) &&
           control_opt_string(args, "wait", wait, err) &&
           control_opt_bool(args, "replace", &request->replace, err) &&
           control_opt_bool(args, "another", &request->another, err) &&
           control_opt_bool(args, "dry_run", &request->dry_run, err) &&
           control_opt_object(args, "tags", tags, err) && read_groups(args, request, err);
}

bool restore_request_read(const json_t *args, struct restore_request *ret_request, struct err *err)
{
    const char *wait = "running";
    json_t *tags = NULL;

    *ret_request = (struct restore_request){.id = NULL};
    if (!read_all(args, ret_request, &tags, &wait, err)) {
        err->kind = ERR_USAGE;
        return false;
    }
    ret_request->tags = tags;
    ret_request->wait = strcmp(wait, "running") == 0;
    if (!ret_request->wait && strcmp(wait, "none") != 0) {
        (void)err_set(err, ERR_USAGE, 0, "nothing that can be waited for");
        return err_suggest(err, "one of running, none");
    }
    return check_texts(ret_request, err) && check_user_data(ret_request->user_data, err) &&
           read_tags(tags, err);
}

/* --- the token ----------------------------------------------------------------------------- */

/* What the launch depends on, as one text. NULL: no memory. */
static char *canonical(const json_t *args, const char *backup_id)
{
    static const char *const no_matter[] = {"wait", "dry_run", "another"};
    json_t *copy = json_copy((json_t *)args); /* shallow */
    char *text = NULL;

    if (copy != NULL && json_object_set_new(copy, "id", json_string(backup_id)) == 0) {
        for (size_t i = 0; i < sizeof(no_matter) / sizeof(no_matter[0]); i++)
            (void)json_object_del(copy, no_matter[i]); /* -1: was not there */
        text = json_dumps(copy, JSON_COMPACT | JSON_SORT_KEYS);
    }
    json_decref(copy);
    return text;
}

bool restore_request_token(const json_t *args, const struct restore_request *request,
                           const char *backup_id, char *token, struct err *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char *text = canonical(args, backup_id);
    bool ok = text != NULL && EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL) == 1;

    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text)); /* user data */
    free(text);
    if (!ok)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    if (request->another && getrandom(hash, RANDOM_BYTES, 0) != RANDOM_BYTES)
        return err_set(err, ERR_SYS, errno, "getrandom");
    int len = snprintf(token, EC2_CLIENT_TOKEN_MAX + 1, "sp-");
    for (size_t i = 0; i < TOKEN_HASH_BYTES; i++)
        len += snprintf(token + len, 3, "%02x", hash[i]);
    return true;
}
