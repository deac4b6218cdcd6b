/* SPDX-License-Identifier: BSD-2-Clause */
#include "aws/imds.h"

#include <string.h>

#include <jansson.h>

#include "agent/base/clock.h"

/* The JSON documents of the metadata service: strict about types and lengths, tolerant of fields
 * that it may grow. */

static bool load(const char *text, size_t len, const char *what, json_t **ret_object,
                 struct err *err)
{
    json_error_t error;
    json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

    if (object == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "%s is not JSON: line %d: %.100s", what, error.line,
                       error.text);
    if (!json_is_object(object)) {
        json_decref(object);
        return err_set(err, ERR_PROTOCOL, 0, "%s is not a JSON object", what);
    }
    *ret_object = object;
    return true;
}

static bool printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
            return false;
    return true;
}

/* Copies a string field; absent and null count as "", which NEEDED refuses. */
static bool take_text(json_t *object, const char *key, bool needed, char *text, size_t size,
                      struct err *err)
{
    json_t *value = json_object_get(object, key);

    text[0] = '\0';
    if (value == NULL || json_is_null(value)) {
        if (needed)
            return err_set(err, ERR_PROTOCOL, 0, "%s is missing", key);
        return true;
    }
    if (!json_is_string(value))
        return err_set(err, ERR_PROTOCOL, 0, "%s is not a string", key);
    if (json_string_length(value) >= size || !printable(json_string_value(value)))
        return err_set(err, ERR_PROTOCOL, 0, "%s is too long or not printable", key);
    if (needed && json_string_length(value) == 0)
        return err_set(err, ERR_PROTOCOL, 0, "%s is empty", key);
    memcpy(text, json_string_value(value), json_string_length(value) + 1);
    return true;
}

/* Adds the strings of a list to RET_LIST; absent and null count as empty. */
static bool take_list(json_t *object, const char *key, char ret_list[][IMDS_NAME_BYTES], size_t max,
                      size_t *count, struct err *err)
{
    json_t *list = json_object_get(object, key), *value;
    size_t i;

    if (list == NULL || json_is_null(list))
        return true;
    if (!json_is_array(list))
        return err_set(err, ERR_PROTOCOL, 0, "%s is not a list", key);
    json_array_foreach(list, i, value)
    {
        if (!json_is_string(value) || json_string_length(value) >= IMDS_NAME_BYTES ||
            !printable(json_string_value(value)))
            return err_set(err, ERR_PROTOCOL, 0, "%s has an entry that is no short string", key);
        if (*count == max)
            return err_set(err, ERR_LIMIT, 0, "%s has more than %zu entries", key, max);
        memcpy(ret_list[(*count)++], json_string_value(value), json_string_length(value) + 1);
    }
    return true;
}

static bool take_time(json_t *object, const char *key, bool needed, int64_t *ret_utc_us,
                      struct err *err)
{
    char text[CLOCK_TEXT_BYTES];

    *ret_utc_us = 0;
    if (!take_text(object, key, needed, text, sizeof(text), err))
        return false;
    if (text[0] != '\0' && !clock_utc_parse(text, ret_utc_us))
        return err_set(err, ERR_PROTOCOL, 0, "%s \"%s\" is not a time", key, text);
    return true;
}

/* Region and instance id become part of host names and requests. */
static bool plausible(const struct imds_document *document, struct err *err)
{
    const char *id = document->instance_id, *region = document->region;
    size_t digits = strncmp(id, "i-", 2) == 0 ? strspn(id + 2, "0123456789abcdef") : 0;

    if (digits < 8 || id[2 + digits] != '\0')
        return err_set(err, ERR_PROTOCOL, 0, "instanceId \"%s\" is none", id);
    if (strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region))
        return err_set(err, ERR_PROTOCOL, 0, "region \"%s\" is none", region);
    return true;
}

static bool read_document(json_t *object, struct imds_document *document, struct err *err)
{
    enum { ID = IMDS_ID_BYTES };

    return take_text(object, "instanceId", true, document->instance_id, ID, err) &&
           take_text(object, "region", true, document->region, ID, err) &&
           take_text(object, "availabilityZone", true, document->availability_zone, ID, err) &&
           take_text(object, "accountId", true, document->account_id, ID, err) &&
           take_text(object, "architecture", false, document->architecture, ID, err) &&
           take_text(object, "imageId", false, document->image_id, ID, err) &&
           take_text(object, "instanceType", false, document->instance_type, ID, err) &&
           take_text(object, "privateIp", false, document->private_ip, ID, err) &&
           take_time(object, "pendingTime", false, &document->pending_utc_us, err) &&
           take_list(object, "billingProducts", document->billing_products,
                     sizeof(document->billing_products) / sizeof(document->billing_products[0]),
                     &document->billing_product_count, err) &&
           take_list(object, "marketplaceProductCodes", document->product_codes,
                     sizeof(document->product_codes) / sizeof(document->product_codes[0]),
                     &document->product_code_count, err) &&
           take_list(object, "devpayProductCodes", document->product_codes,
                     sizeof(document->product_codes) / sizeof(document->product_codes[0]),
                     &document->product_code_count, err) &&
           plausible(document, err);
}

bool imds_parse_document(const char *text, size_t len, struct imds_document *ret_document,
                         struct err *err)
{
    struct imds_document document;
    json_t *object = NULL;

    memset(&document, 0, sizeof(document));
    bool ok = load(text, len, "it", &object, err) && read_document(object, &document, err);
    json_decref(object);
    if (!ok)
        return err_wrap(err, "instance identity document");
    *ret_document = document;
    return true;
}

/* jansson frees without wiping. */
static void wipe_text(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (json_is_string(value))
        explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
}

static bool take_secret(json_t *object, const char *key, struct secret *ret_secret, struct err *err)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_string(value) || json_string_length(value) == 0 ||
        !printable(json_string_value(value)))
        return err_set(err, ERR_PROTOCOL, 0, "%s is missing or no printable string", key);
    return secret_set(ret_secret, json_string_value(value), json_string_length(value), err);
}

static bool read_role(json_t *object, struct imds_role *role, struct err *err)
{
    char code[IMDS_NAME_BYTES], message[200];

    if (!take_text(object, "Code", true, code, sizeof(code), err))
        return false;
    if (strcmp(code, "Success") != 0) {
        struct err ignored = ERR_INIT; /* the code alone says enough where there is no message */
        (void)take_text(object, "Message", false, message, sizeof(message), &ignored);
        (void)err_set(err, ERR_CREDENTIALS, 0, "no keys for it: %s %s", code, message);
        return err_suggest(err, "check that the role exists and that EC2 may assume it");
    }
    return take_text(object, "AccessKeyId", true, role->access_key_id, sizeof(role->access_key_id),
                     err) &&
           take_secret(object, "SecretAccessKey", &role->secret_key, err) &&
           take_secret(object, "Token", &role->session_token, err) &&
           take_time(object, "Expiration", true, &role->expires_utc_us, err);
}

bool imds_parse_role(const char *text, size_t len, struct imds_role *ret_role, struct err *err)
{
    struct imds_role role;
    json_t *object = NULL;

    memset(&role, 0, sizeof(role));
    bool ok = load(text, len, "its answer", &object, err) && read_role(object, &role, err);
    if (object != NULL) {
        wipe_text(object, "SecretAccessKey");
        wipe_text(object, "Token");
        json_decref(object);
    }
    if (!ok) {
        imds_role_free(&role);
        (void)err_suggest(err, "see whether something else answers in the place of EC2's metadata "
                               "service ([aws] endpoint_imds)");
        return err_wrap(err, "role credentials");
    }
    memcpy(role.name, ret_role->name, sizeof(role.name));
    *ret_role = role;
    return true;
}
