/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/backup_request.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/parse.h"

static bool read_tags(const json_t *tags, struct strs *ret_tags, struct err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)tags, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_USAGE, 0, "tag %s: its value must be a text", key);
        if (parse_is_reserved_tag(key) || key[0] == '\0' || strlen(key) > 128) {
            (void)err_set(err, ERR_USAGE, 0, "tag '%.40s' can't be set", key);
            return err_suggest(err, "keys have 1 to 128 characters and do not begin with aws: or "
                                    "stillpoint:");
        }
        if (!strs_printf(ret_tags, err, "%s=%s", key, json_string_value(value)))
            return false;
    }
    return ret_tags->count <= CATALOG_USER_TAGS_MAX ||
           err_set(err, ERR_USAGE, 0, "more than %d tags", CATALOG_USER_TAGS_MAX);
}

/* What does not fit into a tag is left off: no reason to have no backup. */
static bool take_reason(const char *reason, struct work_options *options)
{
    AUTO_FREE char *text = strdup(reason);

    if (text == NULL)
        return false;
    parse_cut_utf8(text, CATALOG_TAG_CHARS_MAX, sizeof(options->reason) - 1);
    strcpy(options->reason, text);
    options->reason_cut = strlen(text) < strlen(reason);
    return true;
}

bool backup_request_read(const json_t *args, const struct config *config,
                         struct work_options *options, struct err *err)
{
    static const char *const keys[] = {"reason", "consistency", "wait",    "image", "keep_ms",
                                       "pin",    "tags",        "dry_run", NULL};
    const char *reason = "", *consistency = label_name(options->asked), *wait = "complete";
    json_t *tags = NULL;

    if (!control_only_keys(args, keys, err) || !control_opt_string(args, "reason", &reason, err) ||
        !control_opt_string(args, "consistency", &consistency, err) ||
        !control_opt_string(args, "wait", &wait, err) ||
        !control_opt_bool(args, "image", &options->image, err) ||
        !control_opt_int(args, "keep_ms", 0, (int64_t)1000 * 86400 * 36500, &options->keep_ms,
                         err) ||
        !control_opt_bool(args, "pin", &options->pin, err) ||
        !control_opt_object(args, "tags", &tags, err) ||
        !control_opt_bool(args, "dry_run", &options->dry_run, err)) {
        err->kind = ERR_USAGE;
        return false;
    }
    if (!label_parse(consistency, &options->asked) || options->asked == LABEL_UNCONFIRMED) {
        (void)err_set(err, ERR_USAGE, 0, "no such consistency");
        return err_suggest(err, "one of application, filesystem, crash");
    }
    options->wait_complete = strcmp(wait, "complete") == 0;
    if (!options->wait_complete && strcmp(wait, "cut") != 0) {
        (void)err_set(err, ERR_USAGE, 0, "nothing that can be waited for");
        return err_suggest(err, "one of cut, complete");
    }
    if (!take_reason(reason, options))
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return strs_copy(&options->tags, &config->backup.tags, err) &&
           read_tags(tags, &options->tags, err);
}
