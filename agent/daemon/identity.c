/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/identity.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/auto.h"
#include "agent/base/fileio.h"

enum { IDENTITY_FILE_BYTES_MAX = 4096, NOTICE_BYTES_MAX = 4096 };

bool identity_read(const struct config *config, int64_t deadline_ms, const struct cancel *cancel,
                   struct identity *ret_identity, struct err *err)
{
    AUTO_BUF struct buf suffix = BUF_INIT(sizeof(ret_identity->dns_suffix) - 1);
    struct identity identity;
    struct imds *imds = NULL;
    struct err ignored = ERR_INIT;

    memset(&identity, 0, sizeof(identity));
    if (config->aws.identity == CONFIG_IDENTITY_NONE) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "this daemon belongs to no instance ([aws] identity = none)");
        return err_suggest(err, "run it on the node that is meant, with [aws] identity = imds");
    }
    if (!imds_open(config->aws.endpoint_imds, &imds, err))
        return false;
    bool ok = imds_document(imds, deadline_ms, cancel, &identity.document, err);
    /* Not there on older lab clouds and in some partitions: ec2.h then goes by the region. */
    if (ok && imds_item(imds, "meta-data/services/domain", deadline_ms, cancel, &suffix, &ignored))
        (void)snprintf(identity.dns_suffix, sizeof(identity.dns_suffix), "%s", buf_text(&suffix));
    imds_free(imds);
    if (!ok && err->kind == ERR_CANCELLED)
        return err_wrap(err, "who this node is");
    if (!ok) {
        if (err->kind == ERR_NOT_FOUND)
            err->kind = ERR_IMDS; /* of the service, not of a backup */
        (void)err_suggest(err, "see whether something else answers in the place of EC2's metadata "
                               "service ([aws] endpoint_imds)");
        return err_wrap(err, "who this node is");
    }
    if (gethostname(identity.hostname, sizeof(identity.hostname) - 1) != 0)
        identity.hostname[0] = '\0'; /* a name that is too long is no reason to stop */
    *ret_identity = identity;
    return true;
}

bool identity_stays(const struct config *config, int64_t deadline_ms, const struct cancel *cancel,
                    struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(NOTICE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct imds *imds = NULL;
    json_error_t where;

    if (!imds_open(config->aws.endpoint_imds, &imds, &ignored))
        return true;
    bool told =
        imds_item(imds, "meta-data/spot/instance-action", deadline_ms, cancel, &text, &ignored);
    imds_free(imds);
    json_t *notice = told ? json_loadb(buf_text(&text), text.len, 0, &where) : NULL;
    const char *action = json_string_value(json_object_get(notice, "action"));
    const char *when = json_string_value(json_object_get(notice, "time"));
    bool stays = action == NULL || strcmp(action, "terminate") != 0;
    if (!stays) {
        (void)err_set(err, ERR_PRECONDITION, 0,
                      "EC2 is about to terminate this instance (spot notice for %.30s)",
                      when ? when : "now");
        (void)err_suggest(err, "nothing to do: a set that is begun now could not be brought to its "
                               "end; the last complete one is in `stillpoint list`");
    }
    json_decref(notice);
    return stays;
}

static void take_id(const json_t *object, const char *key, char *ret_id)
{
    const char *id = json_string_value(json_object_get(object, key));

    if (id != NULL && strlen(id) < IMDS_ID_BYTES)
        strcpy(ret_id, id);
}

static bool make_path(const char *state_dir, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/identity.json", state_dir) < PATH_MAX;
}

/* The instance ids in the state file; "" where there is none that can be read. */
static void read_remembered(const char *path, char *ret_id, char *ret_was)
{
    AUTO_BUF struct buf text = BUF_INIT(IDENTITY_FILE_BYTES_MAX);
    struct err ignored = ERR_INIT;
    json_error_t where;

    ret_id[0] = ret_was[0] = '\0';
    if (!fileio_read(path, &text, &ignored))
        return;
    json_t *object = json_loadb(buf_text(&text), text.len, JSON_REJECT_DUPLICATES, &where);
    take_id(object, "instance", ret_id);
    take_id(object, "was", ret_was);
    json_decref(object);
}

/* {"instance", "region", "was"}: the last only where there is one. */
static char *make_text(const struct identity *identity, const char *was)
{
    json_t *object = json_pack("{s:s,s:s,s:s*}", "instance", identity->document.instance_id,
                               "region", identity->document.region, "was", was[0] ? was : NULL);
    char *text = json_dumps(object, 0);

    json_decref(object);
    return text;
}

bool identity_remember(const struct identity *identity, const char *state_dir, char *ret_was,
                       struct err *err)
{
    char path[PATH_MAX], before[IMDS_ID_BYTES];

    if (!make_path(state_dir, path))
        return err_set(err, ERR_LIMIT, 0, "path too long: %s", state_dir);
    read_remembered(path, ret_was, before);
    if (strcmp(ret_was, identity->document.instance_id) == 0) {
        ret_was[0] = '\0';
        return true;
    }
    AUTO_FREE char *text = make_text(identity, ret_was);
    if (text == NULL)
        return err_set(err, ERR_INTERNAL, 0, "out of memory");
    return fileio_replace(path, text, strlen(text), 0600, err) ||
           fileio_suggest_room(state_dir, err);
}

void identity_came_from(const char *state_dir, const char *instance, char *ret_was)
{
    char path[PATH_MAX], id[IMDS_ID_BYTES];

    ret_was[0] = '\0';
    if (!make_path(state_dir, path))
        return;
    read_remembered(path, id, ret_was);
    if (strcmp(id, instance) != 0)
        ret_was[0] = '\0';
}
