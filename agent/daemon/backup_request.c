/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/backup_request.h"

#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"
#include "agent/base/control_wire.h"
#include "agent/base/parse.h"
#include "agent/base/tag.h"

/* The configuration's, but those that the command sets itself. */
static bool copy_configured(const struct strs *configured, const json_t *given,
                            struct strs *ret_tags, struct err *err)
{
    for (size_t i = 0; i < configured->count; i++) {
        AUTO_FREE char *key = NULL;
        AUTO_FREE char *value = NULL;
        if (!parse_key_value(configured->items[i], &key, &value, err))
            return false;
        if (json_object_get(given, key) == NULL && !strs_add(ret_tags, configured->items[i], err))
            return false;
    }
    return true;
}

static bool read_tags(const json_t *given, const struct strs *configured, struct strs *ret_tags,
                      struct err *err)
{
    const char *key;
    json_t *value;

    if (!copy_configured(configured, given, ret_tags, err))
        return false;
    size_t kept = ret_tags->count;
    json_object_foreach((json_t *)given, key, value)
    {
        if (!json_is_string(value))
            return err_set(err, ERR_USAGE, 0, "tag %s: its value must be a text", key);
        if (!tag_check_own(key, json_string_value(value), err))
            return err_wrap(err, "tags");
        if (!strs_printf(ret_tags, err, "%s=%s", key, json_string_value(value)))
            return false;
    }
    if (ret_tags->count <= TAG_OWN_MAX)
        return true;
    (void)err_set(err, ERR_USAGE, 0,
                  "more than %d tags: %zu from the command and %zu from [backup] tags", TAG_OWN_MAX,
                  ret_tags->count - kept, kept);
    return err_suggest(err, "give fewer with --tag, or take some out of [backup] tags (stillpoint "
                            "config shows where it stands) and restart stillpointd");
}

/* What does not fit into a tag is left off: no reason to have no backup. */
static bool take_reason(const char *reason, struct work_options *options)
{
    AUTO_FREE char *text = strdup(reason);

    if (text == NULL)
        return false;
    parse_cut_utf8(text, TAG_VALUE_CHARS_MAX, sizeof(options->reason) - 1);
    strcpy(options->reason, text);
    options->reason_cut = strlen(text) < strlen(reason);
    return true;
}

bool backup_request_read(const json_t *args, const struct config *config,
                         struct work_options *options, struct err *err)
{
    static const char *const keys[] = {"reason",     "consistency", "wait", "image",
                                       "keep_ms",    "pin",         "tags", "dry_run",
                                       "max_age_ms", "or_less",     NULL};
    const char *reason = "", *consistency = label_name(options->asked), *wait = "complete";
    json_t *tags = NULL;

    if (!control_only_keys(args, keys, err) || !control_opt_string(args, "reason", &reason, err) ||
        !control_opt_string(args, "consistency", &consistency, err) ||
        !control_opt_string(args, "wait", &wait, err) ||
        !control_opt_bool(args, "image", &options->image, err) ||
        !control_opt_int(args, "keep_ms", 0, (int64_t)1000 * 86400 * 36500, &options->keep_ms,
                         err) ||
        !control_opt_int(args, "max_age_ms", 1, (int64_t)1000 * 86400 * 36500, &options->max_age_ms,
                         err) ||
        !control_opt_bool(args, "or_less", &options->or_less, err) ||
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
    return read_tags(tags, &config->backup.tags, &options->tags, err);
}
