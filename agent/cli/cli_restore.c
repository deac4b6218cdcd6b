/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_restore.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/buf.h"
#include "agent/base/control_wire.h"
#include "agent/base/fileio.h"
#include "agent/cli/cli_files.h"
#include "agent/cli/cli_table.h"

enum { USER_DATA_BYTES_MAX = 16 * 1024 };

/* --- asking --------------------------------------------------------------------------------- */

static bool put(json_t *args, const char *key, json_t *take_value, struct err *err)
{
    return json_object_set_new(args, key, take_value) == 0 ||
           err_set(err, ERR_INTERNAL, 0, "out of memory");
}

static bool put_text(json_t *args, const char *key, const char *text, struct err *err)
{
    return text == NULL || put(args, key, control_text(text), err);
}

static bool put_base64(json_t *args, const struct buf *data, struct err *err)
{
    unsigned char *text = malloc((USER_DATA_BYTES_MAX + 2) / 3 * 4 + 1);

    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    int len = EVP_EncodeBlock(text, (const unsigned char *)buf_text(data), (int)data->len);
    bool ok = put(args, "user_data", json_stringn((const char *)text, (size_t)len), err);
    OPENSSL_cleanse(text, (size_t)len);
    free(text);
    return ok;
}

static bool put_user_data(json_t *args, const char *path, struct err *err)
{
    struct buf data = BUF_INIT(USER_DATA_BYTES_MAX);
    bool ok = path == NULL || fileio_read(path, &data, err);

    if (!ok) {
        bool large = err->kind == ERR_LIMIT;
        err->kind = ERR_USAGE;
        (void)err_wrap(err, "--user-data");
        (void)err_suggest(err, large ? "EC2 takes 16 KiB: have a short script fetch the rest"
                                     : "name a file that you can read, /dev/null for none");
    }
    ok = ok && (path == NULL || put_base64(args, &data, err));
    buf_wipe(&data);
    return ok;
}

static bool put_groups(json_t *args, const struct cli_options *options, struct err *err)
{
    json_t *list = json_array();

    for (size_t i = 0; i < options->security_group_count; i++)
        (void)json_array_append_new(list, control_text(options->security_groups[i]));
    if (options->security_group_count > 0)
        return put(args, "security_groups", list, err);
    json_decref(list);
    return true;
}

static bool put_number(json_t *args, const char *key, int64_t number, struct err *err)
{
    return number == 0 || put(args, key, json_integer(number), err);
}

static bool put_only(json_t *args, const struct cli_options *options, struct err *err)
{
    json_t *list = options->volume_count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < options->volume_count; i++)
        (void)json_array_append_new(list, control_text(options->volumes[i]));
    return list == NULL || put(args, "volumes", list, err);
}

/* Of `restore volumes` and `restore files`. */
static bool put_for_volumes(json_t *args, const struct cli_options *options, struct err *err)
{
    return put_number(args, "iops", options->iops, err) &&
           put_number(args, "throughput", options->throughput, err) &&
           put_number(args, "initialize", options->initialize, err) &&
           put_text(args, "kms_key", options->kms_key, err) &&
           put_text(args, "attach", options->attach, err) &&
           put_text(args, "device", options->device, err) &&
           put_text(args, "to", options->to, err) &&
           (!options->encrypted || put(args, "encrypted", json_true(), err)) &&
           put_only(args, options, err);
}

bool cli_restore_args(const struct cli_options *options, json_t *args, struct err *err)
{
    return put_text(args, "type", options->type, err) &&
           put_text(args, "subnet", options->subnet, err) &&
           put_text(args, "zone", options->zone, err) &&
           put_text(args, "private_ip", options->private_ip, err) &&
           put_text(args, "key", options->key, err) &&
           put_text(args, "profile", options->profile, err) &&
           put_text(args, "name", options->name, err) &&
           (!options->replace || put(args, "replace", json_true(), err)) &&
           (!options->another || put(args, "another", json_true(), err)) &&
           put_for_volumes(args, options, err) && put_groups(args, options, err) &&
           put_user_data(args, options->user_data_path, err);
}

/* --- showing -------------------------------------------------------------------------------- */

/* "sg-1, sg-2" */
static void list_fact(struct cli_page *page, const char *name, const json_t *list)
{
    const json_t *item;
    size_t i;

    if (json_array_size(list) == 0)
        return;
    cli_page_field(page, name, CLI_FIELD_WIDTH);
    json_array_foreach(list, i, item)
    {
        cli_page_text(page, i > 0 ? ", " : "");
        cli_page_clean(page, json_string_value(item));
    }
    cli_page_text(page, "\n");
}

static void put_volumes(struct cli_page *page, const json_t *volumes)
{
    const json_t *volume;
    size_t i;

    json_array_foreach(volumes, i, volume)
    {
        const char *id = cli_str(volume, "id"), *snapshot = cli_str(volume, "snapshot");
        int64_t size_gib;
        cli_page_field(page, i == 0 ? "volumes" : "", CLI_FIELD_WIDTH);
        cli_page_clean(page, cli_str(volume, "device"));
        if (cli_int(volume, "size_gib", &size_gib))
            cli_page_printf(page, ", %lld GiB", (long long)size_gib);
        if (id != NULL) {
            cli_page_text(page, ", ");
            cli_page_clean(page, id);
        }
        cli_page_text(page, snapshot != NULL ? ", of " : ", the image's own");
        if (snapshot != NULL)
            cli_page_clean(page, snapshot);
        cli_page_text(page, "\n");
    }
}

static void put_head(struct cli_page *page, bool dry_run, const json_t *data)
{
    const char *instance = cli_str(data, "instance");

    if (dry_run && instance != NULL) {
        cli_page_text(page, "The same command has launched ");
        cli_page_clean(page, instance);
        cli_page_text(page, " before: it would wait for that one.\n\n");
    } else if (dry_run) {
        cli_page_text(page, "Would launch an instance from ");
        cli_page_clean(page, cli_str(data, "image"));
        cli_page_text(page, ":\n\n");
    } else {
        cli_page_style(page, CLI_BOLD);
        cli_page_clean(page, instance);
        cli_page_style(page, CLI_PLAIN);
        cli_page_text(page, " is ");
        cli_page_clean(page, cli_str(data, "state"));
        if (json_is_true(json_object_get(data, "existed")))
            cli_page_text(page, "; the same command has launched it before");
        cli_page_text(page, "\n\n");
    }
}

static void put_next(struct cli_page *page, const json_t *data)
{
    const char *address = cli_str(data, "address");

    cli_page_text(page,
                  "\nThe agent there sees that it is another node: its list is empty, and this "
                  "backup stays\nits parent's. On it: stillpoint doctor, then stillpoint "
                  "backup.");
    if (address != NULL && address[0] != '\0') {
        cli_page_text(page, " It answers at ");
        cli_page_clean(page, address);
        cli_page_text(page, ".");
    }
    cli_page_text(page, "\n");
}

void cli_restore_show(struct cli_page *page, const struct cli_options *options, const json_t *data)
{
    if (options->kind != NULL && strcmp(options->kind, "instance") != 0) {
        cli_files_show(page, options, data);
        return;
    }
    put_head(page, options->dry_run, data);
    cli_page_fact(page, "backup", cli_str(data, "backup"));
    cli_page_fact(page, "name", cli_str(data, "name"));
    cli_page_fact(page, "image", cli_str(data, "image"));
    cli_page_fact(page, "type", cli_str(data, "type"));
    cli_page_fact(page, "zone", cli_str(data, "zone"));
    cli_page_fact(page, "subnet", cli_str(data, "subnet"));
    cli_page_fact(page, "address", cli_str(data, "address"));
    list_fact(page, "groups", json_object_get(data, "security_groups"));
    cli_page_fact(page, "key", cli_str(data, "key"));
    cli_page_fact(page, "profile", cli_str(data, "profile"));
    cli_page_fact(page, "user data",
                  json_is_true(json_object_get(data, "user_data")) ? "yes" : "none");
    put_volumes(page, json_object_get(data, "volumes"));
    if (json_is_true(json_object_get(data, "root_is_newer")))
        cli_page_fact(page, "root", "newer than the backup: an image of its own instant");
    if (!options->dry_run)
        put_next(page, data);
}
