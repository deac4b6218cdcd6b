/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/clock.h"
#include "agent/daemon/catalog_json_read.h"

#define ID       "sp-20261124T081530Z-k3f9x"
#define VOL_ROOT "vol-0aaaaaaaaaaaaaaaa"
#define VOL_DATA "vol-0bbbbbbbbbbbbbbbb"

static struct err err;

static char *text(const char *words)
{
    char *copy = strdup(words);

    assert_non_null(copy);
    return copy;
}

static int64_t moment(const char *words)
{
    int64_t utc_us = 0;

    assert_true(clock_utc_parse(words, &utc_us));
    return utc_us;
}

static void add_mount(struct backup *backup, const char *path, const char *fs, const char *volume,
                      bool frozen)
{
    struct backup_mount *mount = backup_add_mount(backup);

    assert_non_null(mount);
    mount->path = text(path);
    mount->fs = text(fs);
    mount->frozen = frozen;
    assert_true(strs_add(&mount->volumes, volume, &err));
}

static void add_snapshot(struct backup *backup, const char *id, const char *volume,
                         const char *device, int64_t size_gib)
{
    struct backup_snapshot *snapshot = backup_add_snapshot(backup);

    assert_non_null(snapshot);
    snapshot->id = text(id);
    snapshot->volume = text(volume);
    snapshot->device = text(device);
    snapshot->size_gib = size_gib;
    snapshot->state = text("completed");
}

/* The backup that INTERFACE.md shows, with every fact known. */
static struct backup *full_backup(void)
{
    struct backup *backup = backup_new();

    assert_non_null(backup);
    backup->id = text(ID);
    backup->instance = text("i-0123456789abcdef0");
    backup->node = text("kaltura-db1");
    backup->region = text("eu-west-1");
    backup->reason = text("nightly");
    backup->policy = text("daily");
    backup->group = text("cluster");
    backup->state = BACKUP_COMPLETE;
    backup->asked = LABEL_APPLICATION;
    backup->consistency = LABEL_APPLICATION;
    backup->window_begin_utc_us = moment("2026-11-24T08:15:31.206811Z");
    backup->window_end_utc_us = moment("2026-11-24T08:15:31.507112Z");
    backup->clock_error_us = 400;
    backup->timing = (struct backup_timing){900, 1400, 300200, 500, 300, 303300};
    add_mount(backup, "/var/lib/mysql", "ext4", VOL_ROOT, true);
    add_mount(backup, "/odd dir, with|\\signs", "xfs", VOL_ROOT, true);
    add_mount(backup, "/boot/efi", "vfat", VOL_ROOT, false);
    assert_true(strs_add(&backup->mounts[0].volumes, VOL_DATA, &err));
    backup->left_out_more = 2;
    assert_true(backup_add_left_out(backup, "/opt/kaltura/web",
                                    "nfs4: not on a volume of this instance", &err));
    struct backup_database *database = backup_add_database(backup);
    database->name = text("mysql");
    database->server = text("10.11.19-MariaDB");
    database->method = text("backup-stage");
    database->binlog_file = text("binlog.000007");
    database->binlog_pos = 73421;
    database->binlog_exact = true;
    database->gtid = text("0-1-991");
    database = backup_add_database(backup);
    database->name = text("replica");
    database->server = text("9.1.0");
    database->method = text("lock-instance");
    database->binlog_file = text("mysql-bin.000001");
    database->binlog_pos = 4;
    database->source_file = text("source-bin.000009");
    database->source_pos = 8812;
    add_snapshot(backup, "snap-0a", VOL_ROOT, "/dev/sda1", 8);
    add_snapshot(backup, "snap-0b", VOL_DATA, "/dev/sdf", 20);
    backup->member_count = 2;
    backup->image.id = text("ami-01");
    backup->image.state = text("available");
    backup->image.method = text("register");
    backup->expires_utc_us = moment("2026-12-24T08:15:31Z");
    backup->version = text("0.1.0");
    backup->launch = text("type=m5.large subnet=subnet-1");
    assert_true(strs_add(&backup->tags, "Team=media", &err));
    return backup;
}

/* --- ids ---------------------------------------------------------------------------------------
 */

static void an_id_has_the_moment_and_a_random_tail(void **state)
{
    char first[BACKUP_ID_BYTES], second[BACKUP_ID_BYTES];
    int64_t when = moment("2026-11-24T08:15:30Z"), read_back = 0;

    (void)state;
    assert_true(catalog_id_new(when + 999999, first, &err));
    assert_memory_equal(first, "sp-20261124T081530Z-", 20);
    assert_int_equal(strlen(first), 25);
    assert_true(catalog_is_id(first));
    assert_true(catalog_id_moment(first, &read_back));
    assert_int_equal(read_back, when);
    int same = 0;
    for (int i = 0; i < 20; i++) {
        assert_true(catalog_id_new(when, second, &err));
        same += strcmp(first, second) == 0;
    }
    assert_true(same <= 1);
}

static void what_is_no_id_is_told_apart(void **state)
{
    static const char *const bad[] = {
        "",
        "sp-",
        "sp-20261124T081530Z-k3f9",
        "sp-20261124T081530Z-k3f9xx",
        "sp-20261124T081530Z-k3f9U",
        "sp-20261124T081530Z-k3f9l", /* no l in that alphabet */
        "sp-20261324T081530Z-k3f9x", /* month 13 */
        "sp-2026112408153000-k3f9x",
        "xp-20261124T081530Z-k3f9x",
        "sp-20261124T081530Z_k3f9x",
        "snap-0123456789abcdef0000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (catalog_is_id(bad[i]))
            fail_msg("taken: %s", bad[i]);
    }
    assert_true(catalog_is_id(ID));
}

/* --- tags --------------------------------------------------------------------------------------
 */

static void assert_tag(const struct ec2_tags *tags, const char *key, const char *value)
{
    const char *found = ec2_tags_get(tags, key);

    if (value == NULL && found != NULL)
        fail_msg("%s=%s", key, found);
    if (value != NULL && (found == NULL || strcmp(found, value) != 0))
        fail_msg("%s=%s, not %s", key, found ? found : "(none)", value);
}

static void the_common_tags_say_what_the_contract_names(void **state)
{
    struct backup *backup = full_backup();
    struct ec2_tags tags = {.count = 0};

    (void)state;
    assert_true(strs_add(&backup->shortfall, "one|two", &err));
    assert_true(strs_add(&backup->shortfall, "three", &err));
    assert_true(catalog_tags_common(backup, &tags, &err));

    assert_tag(&tags, "stillpoint:id", ID);
    assert_tag(&tags, "stillpoint:instance", "i-0123456789abcdef0");
    assert_tag(&tags, "stillpoint:node", "kaltura-db1");
    assert_tag(&tags, "stillpoint:policy", "daily");
    assert_tag(&tags, "stillpoint:reason", "nightly");
    assert_tag(&tags, "stillpoint:group", "cluster");
    assert_tag(&tags, "stillpoint:state", "complete");
    assert_tag(&tags, "stillpoint:asked", "application");
    assert_tag(&tags, "stillpoint:consistency", "application");
    assert_tag(&tags, "stillpoint:window",
               "2026-11-24T08:15:31.206811Z/2026-11-24T08:15:31.507112Z/0.400ms");
    assert_tag(&tags, "stillpoint:timing",
               "hooks_hold=900us freeze=1400us exchange=300200us thaw=500us hooks_release=300us "
               "hold=303300us");
    assert_tag(&tags, "stillpoint:binlog", "binlog.000007:73421 exact");
    assert_tag(&tags, "stillpoint:gtid", "0-1-991");
    assert_tag(&tags, "stillpoint:database", "mysql 10.11.19-MariaDB backup-stage");
    assert_tag(&tags, "stillpoint:binlog:replica", "mysql-bin.000001:4 at-least");
    assert_tag(&tags, "stillpoint:source:replica", "source-bin.000009:8812");
    assert_tag(&tags, "stillpoint:gtid:replica", NULL);
    assert_tag(&tags, "stillpoint:shortfall", "one\\174two|three");
    assert_tag(&tags, "stillpoint:left-out",
               "/opt/kaltura/web|nfs4: not on a volume of this instance|+2");
    assert_tag(&tags, "stillpoint:members", "2");
    assert_tag(&tags, "stillpoint:expires", "2026-12-24T08:15:31.000000Z");
    assert_tag(&tags, "stillpoint:pinned", "no");
    assert_tag(&tags, "stillpoint:verified", NULL);
    assert_tag(&tags, "stillpoint:version", "0.1.0");
    assert_tag(&tags, "stillpoint:image", "register");
    assert_tag(&tags, "stillpoint:launch", "type=m5.large subnet=subnet-1");
    assert_tag(&tags, "stillpoint:device", NULL);
    assert_tag(&tags, "Name", "kaltura-db1 " ID);
    assert_tag(&tags, "Team", "media");
    ec2_tags_free(&tags);
    backup_free(backup);
}

static void a_new_backup_says_unconfirmed_and_invents_nothing(void **state)
{
    struct backup *backup = backup_new();
    struct ec2_tags tags = {.count = 0};

    (void)state;
    backup->id = text(ID);
    backup->state = BACKUP_CUT;
    assert_true(catalog_tags_common(backup, &tags, &err));

    assert_int_equal(tags.count, 5);
    assert_tag(&tags, "stillpoint:state", "cut");
    assert_tag(&tags, "stillpoint:consistency", "unconfirmed");
    assert_tag(&tags, "stillpoint:pinned", "no");
    assert_tag(&tags, "stillpoint:id", ID);
    assert_tag(&tags, "Name", ID);
    ec2_tags_free(&tags);
    backup_free(backup);
}

static void of_files_that_a_tag_has_no_room_for_whole_paths_are_told(void **state)
{
    char path[300] = "log_bin=/";
    struct backup *backup = backup_new();
    struct ec2_tags tags = {.count = 0};

    (void)state;
    memset(path + 9, 'x', 250);
    struct backup_database *database = backup_add_database(backup);
    database->name = text("mysql");
    database->datadir = text("/d");
    assert_true(strs_add(&database->settings, path, &err));
    assert_true(strs_add(&database->settings, "innodb_page_size=4096", &err));
    assert_true(catalog_tags_common(backup, &tags, &err));
    assert_tag(&tags, "stillpoint:files", "/d|innodb_page_size=4096");

    free(database->datadir);
    database->datadir = text(path + 8);
    assert_true(strs_add(&database->settings, "innodb_undo_tablespaces=3", &err));
    assert_true(catalog_tags_common(backup, &tags, &err));
    assert_non_null(strstr(ec2_tags_get(&tags, "stillpoint:files"), "xx"));
    assert_null(strchr(ec2_tags_get(&tags, "stillpoint:files"), '|'));
    ec2_tags_free(&tags);
    backup_free(backup);
}

static void a_clocks_error_that_is_not_known_is_no_number(void **state)
{
    struct backup *backup = full_backup();
    struct ec2_tags tags = {.count = 0};

    (void)state;
    backup->clock_error_us = BACKUP_UNKNOWN;
    assert_true(catalog_tags_common(backup, &tags, &err));
    assert_tag(&tags, "stillpoint:window",
               "2026-11-24T08:15:31.206811Z/2026-11-24T08:15:31.507112Z");
    json_t *json = catalog_json(backup);
    assert_true(json_is_null(json_object_get(json_object_get(json, "window"), "clock_error_ms")));
    json_decref(json);
    ec2_tags_free(&tags);
    backup_free(backup);
}

static void a_volumes_own_tags_say_its_device_and_mounts(void **state)
{
    struct backup *backup = full_backup();
    struct ec2_tags tags = {.count = 0};

    (void)state;
    assert_true(catalog_tags_of_volume(backup, VOL_ROOT, &tags, &err));

    assert_int_equal(tags.count, 3);
    assert_tag(&tags, "stillpoint:device", "/dev/sda1");
    assert_tag(&tags, "stillpoint:mounts",
               "/var/lib/mysql,ext4,frozen /odd\\040dir\\054\\040with\\174\\134signs,xfs,frozen "
               "/boot/efi,vfat,moving");
    assert_tag(&tags, "Name", "kaltura-db1 /dev/sda1 " ID);
    ec2_tags_free(&tags);
    backup_free(backup);
}

static void a_long_value_is_cut_at_a_character_and_marked(void **state)
{
    char value[2000] = "", expected[2000] = "";
    struct ec2_tags tags = {.count = 0};

    (void)state;
    for (int i = 0; i < 256; i++)
        strcat(value, "\xc3\xa4");
    assert_true(catalog_tags_put(&tags, "a", value, &err));
    assert_tag(&tags, "a", value); /* 256 characters fit, whatever their bytes */
    for (int i = 0; i < 255; i++)
        strcat(expected, "\xc3\xa4");
    strcat(expected, "\xe2\x80\xa6");
    strcat(value, "\xf0\x9f\x98\x80");
    assert_true(catalog_tags_put(&tags, "a", value, &err));
    assert_tag(&tags, "a", expected);
    assert_int_equal(tags.count, 1);
    ec2_tags_free(&tags);
}

static void bytes_that_xml_cant_carry_are_replaced(void **state)
{
    struct ec2_tags tags = {.count = 0};

    (void)state;
    assert_true(catalog_tags_put(&tags, "a", "one\ntwo\x01\xff.", &err));
    assert_tag(&tags, "a", "one two \xef\xbf\xbd.");
    assert_true(catalog_tags_put(&tags, "b", "", &err));
    assert_tag(&tags, "b", "");
    ec2_tags_free(&tags);
}

static void only_what_changed_is_sent(void **state)
{
    struct backup *backup = full_backup();
    struct ec2_tags was = {.count = 0}, now = {.count = 0}, changed = {.count = 0};

    (void)state;
    backup->consistency = LABEL_UNCONFIRMED;
    backup->window_begin_utc_us = BACKUP_UNKNOWN;
    assert_true(catalog_tags_common(backup, &was, &err));
    backup->consistency = LABEL_APPLICATION;
    backup->window_begin_utc_us = backup->window_end_utc_us - 1;
    assert_true(catalog_tags_common(backup, &now, &err));
    assert_true(catalog_tags_changed(&was, &now, &changed, &err));

    assert_int_equal(changed.count, 2);
    assert_tag(&changed, "stillpoint:consistency", "application");
    assert_non_null(ec2_tags_get(&changed, "stillpoint:window"));
    ec2_tags_free(&was);
    ec2_tags_free(&now);
    ec2_tags_free(&changed);
    backup_free(backup);
}

static void everything_together_fits_on_a_resource(void **state)
{
    struct backup *backup = full_backup();
    struct ec2_tags tags = {.count = 0}, own = {.count = 0};

    (void)state;
    backup->verified = text("good");
    assert_true(strs_add(&backup->shortfall, "x", &err));
    for (int i = 0; i < 5; i++) { /* more servers than have tags */
        struct backup_database *database = backup_add_database(backup);
        char name[16];
        (void)snprintf(name, sizeof(name), "more%d", i);
        database->name = text(name);
        database->binlog_file = text("b.1");
        database->binlog_pos = 1;
        database->gtid = text("0-1-1");
        database->source_file = text("s.1");
        database->source_pos = 1;
    }
    for (size_t i = backup->tags.count; i < TAG_OWN_MAX; i++)
        assert_true(strs_printf(&backup->tags, &err, "Own%zu=1", i));
    assert_true(catalog_tags_common(backup, &tags, &err));
    assert_true(catalog_tags_of_volume(backup, VOL_ROOT, &own, &err));
    for (size_t i = 0; i < own.count; i++)
        assert_true(ec2_tags_set(&tags, own.list[i].key, own.list[i].value, &err));
    assert_true(tags.count <= EC2_TAGS_MAX);

    assert_true(strs_add(&backup->tags, "One=toomany", &err));
    assert_false(catalog_tags_common(backup, &tags, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    ec2_tags_free(&tags);
    ec2_tags_free(&own);
    backup_free(backup);
}

/* --- grouping ----------------------------------------------------------------------------------
 */

struct cloud {
    struct ec2_tags tags[8];
    struct catalog_resource resources[8];
    size_t count;
    struct catalog catalog;
};

static struct catalog_resource *put_resource(struct cloud *cloud, const char *id, bool is_image)
{
    struct catalog_resource *resource = &cloud->resources[cloud->count];

    *resource = (struct catalog_resource){
        .is_image = is_image,
        .id = id,
        .state = is_image ? "available" : "completed",
        .size_gib = is_image ? BACKUP_UNKNOWN : 8,
        .progress = BACKUP_UNKNOWN,
        .region = "eu-west-1",
        .tags = &cloud->tags[cloud->count],
    };
    cloud->count++;
    return resource;
}

static void tag(struct cloud *cloud, size_t index, const char *key, const char *value)
{
    assert_true(ec2_tags_set(&cloud->tags[index], key, value, &err));
}

/* Both snapshots and the image of a backup, as EC2 would give them back. */
static void publish(struct cloud *cloud, const struct backup *backup)
{
    for (size_t i = 0; i < backup->snapshot_count; i++) {
        const struct backup_snapshot *snapshot = &backup->snapshots[i];
        struct ec2_tags own = {.count = 0};
        size_t at = cloud->count;
        struct catalog_resource *resource = put_resource(cloud, snapshot->id, false);
        resource->volume = snapshot->volume;
        resource->size_gib = snapshot->size_gib;
        resource->state = snapshot->state;
        assert_true(catalog_tags_common(backup, &cloud->tags[at], &err));
        assert_true(catalog_tags_of_volume(backup, snapshot->volume, &own, &err));
        for (size_t k = 0; k < own.count; k++)
            tag(cloud, at, own.list[k].key, own.list[k].value);
        ec2_tags_free(&own);
    }
    if (backup->image.id != NULL) {
        size_t at = cloud->count;
        put_resource(cloud, backup->image.id, true)->state = backup->image.state;
        assert_true(catalog_tags_common(backup, &cloud->tags[at], &err));
    }
}

static void group(struct cloud *cloud)
{
    catalog_free(&cloud->catalog);
    assert_true(catalog_group(cloud->resources, cloud->count, &cloud->catalog, &err));
}

static void free_cloud(struct cloud *cloud)
{
    catalog_free(&cloud->catalog);
    for (size_t i = 0; i < cloud->count; i++)
        ec2_tags_free(&cloud->tags[i]);
}

static char *dump(const struct backup *backup)
{
    json_t *json = catalog_json(backup);
    char *dumped = json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(15));

    assert_non_null(dumped);
    json_decref(json);
    return dumped;
}

static void a_backup_reads_back_from_its_tags_as_it_was(void **state)
{
    struct backup *backup = full_backup();
    struct cloud cloud = {.count = 0};

    (void)state;
    assert_true(strs_add(&backup->shortfall, "one|two", &err));
    publish(&cloud, backup);
    group(&cloud);

    /* Order of mounts is that of the snapshots that they lie on: the same here. */
    assert_int_equal(cloud.catalog.count, 1);
    char *expected = dump(backup), *found = dump(cloud.catalog.items[0]);
    assert_string_equal(found, expected);
    free(expected);
    free(found);
    free_cloud(&cloud);
    backup_free(backup);
}

static void a_set_that_its_tags_call_pending_is_not_raised(void **state)
{
    struct backup *backup = full_backup();
    struct cloud cloud = {.count = 0};

    (void)state;
    backup->state = BACKUP_PENDING;
    publish(&cloud, backup);
    cloud.count--; /* the image */
    group(&cloud);

    assert_int_equal(cloud.catalog.items[0]->state, BACKUP_PENDING);
    cloud.count++;
    free_cloud(&cloud);
    backup_free(backup);
}

static void a_set_whose_tags_say_cut_or_failed_stays_so(void **state)
{
    struct backup *backup = full_backup();
    struct cloud cloud = {.count = 0};

    (void)state;
    backup->state = BACKUP_CUT;
    publish(&cloud, backup);
    group(&cloud);
    assert_int_equal(cloud.catalog.items[0]->state, BACKUP_CUT);
    tag(&cloud, 1, "stillpoint:state", "failed");
    group(&cloud);
    assert_int_equal(cloud.catalog.items[0]->state, BACKUP_FAILED);
    free_cloud(&cloud);
    backup_free(backup);
}

static void a_label_raised_on_some_members_only_is_the_lowest(void **state)
{
    struct backup *backup = full_backup();
    struct cloud cloud = {.count = 0};

    (void)state;
    publish(&cloud, backup);
    tag(&cloud, 1, "stillpoint:consistency", "unconfirmed");
    group(&cloud);

    assert_int_equal(cloud.catalog.items[0]->consistency, LABEL_UNCONFIRMED);
    free_cloud(&cloud);
    backup_free(backup);
}

static void an_image_with_an_instant_of_its_own_does_not_lower_the_set(void **state)
{
    struct backup *backup = full_backup();
    struct cloud cloud = {.count = 0};

    (void)state;
    publish(&cloud, backup);
    tag(&cloud, 2, "stillpoint:consistency", "crash");
    tag(&cloud, 2, "stillpoint:image", "create");
    group(&cloud);

    assert_int_equal(cloud.catalog.items[0]->consistency, LABEL_APPLICATION);
    assert_string_equal(cloud.catalog.items[0]->image.method, "create");
    free_cloud(&cloud);
    backup_free(backup);
}

static void tags_that_cant_be_read_are_facts_that_are_absent(void **state)
{
    static const struct {
        const char *key, *value;
    } odd[] = {
        {"stillpoint:window", "yesterday/today/soon"},
        {"stillpoint:members", "many"},
        {"stillpoint:expires", "never"},
        {"stillpoint:pinned", "perhaps"},
        {"stillpoint:consistency", "perfect"},
        {"stillpoint:state", "fine"},
        {"stillpoint:timing", "hold=fastus hold"},
        {"stillpoint:binlog", "nowhere"},
        {"stillpoint:mounts", "/a,ext4 ,, /b,x,y,z"},
        {"stillpoint:asked", ""},
        {"stillpoint:left-out", "/only|why|+many"},
        {"stillpoint:database", ""},
    };
    struct cloud cloud = {.count = 0};

    (void)state;
    put_resource(&cloud, "snap-1", false)->volume = VOL_ROOT;
    tag(&cloud, 0, "stillpoint:id", ID);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        tag(&cloud, 0, odd[i].key, odd[i].value);
    group(&cloud);
    const struct backup *backup = cloud.catalog.items[0];

    assert_int_equal(backup->window_begin_utc_us, BACKUP_UNKNOWN);
    assert_int_equal(backup->member_count, BACKUP_UNKNOWN);
    assert_int_equal(backup->expires_utc_us, BACKUP_UNKNOWN);
    assert_false(backup->pinned);
    assert_int_equal(backup->consistency, LABEL_UNCONFIRMED);
    assert_int_equal(backup->state, BACKUP_HELD);
    assert_int_equal(backup->timing.hold_us, BACKUP_UNKNOWN);
    assert_int_equal(backup->mount_count, 0);
    assert_int_equal(backup->left_out_count, 1);
    assert_int_equal(backup->left_out_more, 0);
    assert_int_equal(backup->database_count, 1);
    assert_null(backup->databases[0].binlog_file);
    assert_int_equal(backup->databases[0].binlog_pos, BACKUP_UNKNOWN);
    free_cloud(&cloud);
}

static void tags_of_a_database_that_was_not_held_lead_to_its_files(void **state)
{
    static const char *const settings[] = {
        "server_id=1",       "log_bin=/var/log/mysql/bin|log", "innodb_page_size=16384",
        "binlog_format=ROW", "innodb_log_group_home_dir=/d",   "innodb_undo_directory=/undo",
    };
    struct backup *backup = backup_new();
    struct cloud cloud = {.count = 0};
    struct ec2_tags tags = {.count = 0};

    (void)state;
    assert_true(strs_dup(&backup->id, ID, &err));
    struct backup_database *database = backup_add_database(backup);
    database->name = text("mysql");
    database->server = text("10.11.19-MariaDB");
    database->datadir = text("/d");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        assert_true(strs_add(&database->settings, settings[i], &err));
    assert_true(catalog_tags_common(backup, &tags, &err));
    put_resource(&cloud, "snap-1", false)->volume = VOL_ROOT;
    tag(&cloud, 0, "stillpoint:id", ID);
    tag(&cloud, 0, "stillpoint:database", ec2_tags_get(&tags, "stillpoint:database"));
    tag(&cloud, 0, "stillpoint:files", ec2_tags_get(&tags, "stillpoint:files"));
    group(&cloud);

    assert_tag(&tags, "stillpoint:files",
               "/d|log_bin=/var/log/mysql/bin\\174log|innodb_undo_directory=/undo");
    assert_tag(&tags, "stillpoint:binlog", NULL);
    const struct backup *back = cloud.catalog.items[0];
    assert_int_equal(back->database_count, 1);
    assert_null(back->databases[0].method);
    assert_string_equal(back->databases[0].datadir, "/d");
    assert_int_equal(back->databases[0].settings.count, 2);
    assert_string_equal(back->databases[0].settings.items[0], "log_bin=/var/log/mysql/bin|log");
    free_cloud(&cloud);
    ec2_tags_free(&tags);
    backup_free(backup);
}

/* A tag holds only so many: the rest is counted, not dropped in silence, and no path is cut. */
static void what_was_left_out_beyond_a_tag_is_counted(void **state)
{
    char path[64];
    struct backup *backup = backup_new();
    struct cloud cloud = {.count = 0};
    struct ec2_tags tags = {.count = 0};

    (void)state;
    assert_true(strs_dup(&backup->id, ID, &err));
    for (int i = 0; i < 30; i++) {
        (void)snprintf(path, sizeof(path), "/mnt/network/number-%02d", i);
        assert_true(backup_add_left_out(backup, path, "nfs4: not on a volume of it", &err));
    }
    assert_true(catalog_tags_common(backup, &tags, &err));
    put_resource(&cloud, "snap-1", false)->volume = VOL_ROOT;
    tag(&cloud, 0, "stillpoint:id", ID);
    tag(&cloud, 0, "stillpoint:left-out", ec2_tags_get(&tags, "stillpoint:left-out"));
    group(&cloud);
    const struct backup *back = cloud.catalog.items[0];

    assert_in_range(back->left_out_count, 3, 29);
    assert_int_equal(back->left_out_count + (size_t)back->left_out_more, 30);
    for (size_t i = 0; i < back->left_out_count; i++) {
        assert_string_equal(back->left_out[i].path, backup->left_out[i].path);
        assert_string_equal(back->left_out[i].why, backup->left_out[i].why);
    }
    ec2_tags_free(&tags);
    assert_true(catalog_tags_common(back, &tags, &err)); /* nor does a second writing lose any */
    assert_tag(&tags, "stillpoint:left-out",
               ec2_tags_get(cloud.resources[0].tags, "stillpoint:left-out"));
    ec2_tags_free(&tags);
    backup_free(backup);
    free_cloud(&cloud);
}

static void a_window_without_a_readable_error_keeps_its_ends(void **state)
{
    static const struct {
        const char *tail;
        int64_t error_us;
    } cases[] = {{"", BACKUP_UNKNOWN},          {"/0.400ms", 400},
                 {"/12.005ms", 12005},          {"/0.4ms", BACKUP_UNKNOWN},
                 {"/1.0000ms", BACKUP_UNKNOWN}, {"/-1.000ms", BACKUP_UNKNOWN},
                 {"/soon", BACKUP_UNKNOWN},     {"/0.400s", BACKUP_UNKNOWN}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ec2_tags tags = {.count = 0};
        struct backup *backup = backup_new();
        char window[200];
        (void)snprintf(window, sizeof(window), "2026-11-24T08:15:31.2Z/2026-11-24T08:15:31.5Z%s",
                       cases[i].tail);
        assert_true(ec2_tags_set(&tags, "stillpoint:window", window, &err));
        assert_true(catalog_tags_read(&tags, VOL_ROOT, backup, &err));
        assert_int_equal(backup->window_begin_utc_us, moment("2026-11-24T08:15:31.2Z"));
        assert_int_equal(backup->window_end_utc_us, moment("2026-11-24T08:15:31.5Z"));
        assert_int_equal(backup->clock_error_us, cases[i].error_us);
        ec2_tags_free(&tags);
        backup_free(backup);
    }
}

static void what_is_not_ours_is_passed_over_and_the_newest_comes_first(void **state)
{
    struct cloud cloud = {.count = 0};

    (void)state;
    put_resource(&cloud, "snap-other", false);
    put_resource(&cloud, "snap-forged", false);
    put_resource(&cloud, "snap-old", false);
    put_resource(&cloud, "snap-new", false);
    tag(&cloud, 0, "Name", "somebody's");
    tag(&cloud, 1, "stillpoint:id", "not an id");
    tag(&cloud, 2, "stillpoint:id", "sp-20251124T081530Z-00000");
    tag(&cloud, 3, "stillpoint:id", ID);
    group(&cloud);

    assert_int_equal(cloud.catalog.count, 2);
    assert_string_equal(cloud.catalog.items[0]->id, ID);
    assert_string_equal(cloud.catalog.items[1]->id, "sp-20251124T081530Z-00000");
    free_cloud(&cloud);
}

static void of_two_in_one_second_the_later_window_comes_first(void **state)
{
    static const struct {
        const char *id, *window;
    } sets[] = {
        {"sp-20261124T081530Z-zzzzz",
         "2026-11-24T08:15:30.100000Z/2026-11-24T08:15:30.200000Z/1ms"},
        {"sp-20261124T081530Z-aaaaa",
         "2026-11-24T08:15:30.700000Z/2026-11-24T08:15:30.800000Z/1ms"},
        {"sp-20261124T081530Z-mmmmm", NULL},
    };
    struct cloud cloud = {.count = 0};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        put_resource(&cloud, "snap-of-one-second", false);
        tag(&cloud, i, "stillpoint:id", sets[i].id);
        if (sets[i].window != NULL)
            tag(&cloud, i, "stillpoint:window", sets[i].window);
    }
    group(&cloud);

    assert_int_equal(cloud.catalog.count, 3);
    assert_string_equal(cloud.catalog.items[0]->id, sets[1].id);
    assert_string_equal(cloud.catalog.items[1]->id, sets[0].id);
    assert_string_equal(cloud.catalog.items[2]->id, sets[2].id);
    free_cloud(&cloud);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void the_json_is_the_one_of_the_contract(void **state)
{
    static const char expected[] =
        "{\"id\":\"" ID "\",\"instance\":\"i-0123456789abcdef0\",\"node\":\"kaltura-db1\","
        "\"region\":\"eu-west-1\",\"reason\":\"nightly\",\"state\":\"complete\","
        "\"asked\":\"application\",\"consistency\":\"application\",\"shortfall\":[],"
        "\"window\":{\"begin\":\"2026-11-24T08:15:31.206811Z\","
        "\"end\":\"2026-11-24T08:15:31.507112Z\",\"clock_error_ms\":0.4},"
        "\"timing_ms\":{\"hooks_hold\":0.9,\"freeze\":1.4,\"exchange\":300.2,\"thaw\":0.5,"
        "\"hooks_release\":0.3,\"hold\":303.3},"
        "\"mounts\":[{\"path\":\"/var/lib/mysql\",\"fs\":\"ext4\",\"volumes\":[\"" VOL_DATA
        "\"],\"frozen\":true,\"place\":null}],"
        "\"left_out\":[{\"path\":\"/opt/kaltura/web\","
        "\"why\":\"nfs4: not on a volume of this instance\"}],"
        "\"databases\":[{\"server\":\"10.11.19-MariaDB\",\"method\":\"backup-stage\","
        "\"binlog_file\":\"binlog.000007\",\"binlog_pos\":73421,\"binlog_exact\":true,"
        "\"gtid\":\"0-1-991\",\"name\":\"mysql\",\"source_file\":null,\"source_pos\":null,"
        "\"datadir\":null,\"settings\":null}],"
        "\"snapshots\":[{\"id\":\"snap-0a\",\"volume\":\"" VOL_ROOT "\",\"device\":\"/dev/sda1\","
        "\"size_gib\":8,\"state\":\"completed\"}],"
        "\"image\":{\"id\":\"ami-01\",\"state\":\"available\",\"method\":\"register\"},"
        "\"kaltura\":{\"roles\":[\"database\"],\"versions\":{\"kaltura-base\":\"20.1.0-1\"}},"
        "\"expires\":\"2026-12-24T08:15:31Z\",\"pinned\":false,\"verified\":null,"
        "\"policy\":\"daily\",\"group\":\"cluster\",\"members\":2,\"version\":\"0.1.0\","
        "\"launch\":\"type=m5.large subnet=subnet-1\","
        "\"tags\":{\"Team\":\"media\"},\"left_out_more\":2}";
    struct backup *backup = full_backup();

    (void)state;
    assert_true(strs_add(&backup->roles, "database", &err));
    assert_true(strs_add(&backup->versions, "kaltura-base=20.1.0-1", &err));
    /* One of each is enough to see. */
    size_t mounts = backup->mount_count, databases = backup->database_count,
           snapshots = backup->snapshot_count;
    strs_free(&backup->mounts[0].volumes);
    assert_true(strs_add(&backup->mounts[0].volumes, VOL_DATA, &err));
    backup->mount_count = backup->database_count = backup->snapshot_count = 1;
    json_t *json = catalog_json(backup);
    backup->mount_count = mounts;
    backup->database_count = databases;
    backup->snapshot_count = snapshots;
    char *found = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

    assert_string_equal(found, expected);
    free(found);
    json_decref(json);
    backup_free(backup);
}

static void absent_facts_are_null(void **state)
{
    static const char *const null_keys[] = {"instance", "node",  "region",  "reason",  "asked",
                                            "window",   "image", "kaltura", "expires", "verified",
                                            "policy",   "group", "members", "version"};
    struct backup *backup = backup_new();

    (void)state;
    backup->id = text(ID);
    struct backup_database *database = backup_add_database(backup);
    database->server = text("5.5");
    json_t *json = catalog_json(backup);

    for (size_t i = 0; i < sizeof(null_keys) / sizeof(null_keys[0]); i++) {
        if (!json_is_null(json_object_get(json, null_keys[i])))
            fail_msg("%s is not null", null_keys[i]);
    }
    assert_string_equal(json_string_value(json_object_get(json, "consistency")), "unconfirmed");
    assert_true(json_is_null(json_object_get(json_object_get(json, "timing_ms"), "hold")));
    const json_t *first = json_array_get(json_object_get(json, "databases"), 0);
    assert_true(json_is_null(json_object_get(first, "binlog_exact")));
    assert_true(json_is_null(json_object_get(first, "gtid")));
    json_decref(json);
    backup_free(backup);
}

static void a_path_of_odd_bytes_does_not_break_the_json(void **state)
{
    struct backup *backup = full_backup();

    (void)state;
    free(backup->mounts[0].path);
    backup->mounts[0].path = text("/a\xff");
    json_t *json = catalog_json(backup);

    assert_non_null(json);
    const json_t *mount = json_array_get(json_object_get(json, "mounts"), 0);
    assert_string_equal(json_string_value(json_object_get(mount, "path")), "/a\xef\xbf\xbd");
    json_decref(json);
    backup_free(backup);
}

static void json_reads_back_as_it_was_written(void **state)
{
    struct backup *backup = full_backup(), *again = NULL;

    (void)state;
    assert_true(strs_add(&backup->versions, "kaltura-base=20.1.0-1", &err));
    backup->verified = text("good");
    backup->pinned = true;
    char *expected = dump(backup);
    json_t *json = json_loads(expected, 0, NULL);
    assert_true(catalog_from_json(json, &again, &err));
    char *found = dump(again);

    assert_string_equal(found, expected);
    free(expected);
    free(found);
    json_decref(json);
    backup_free(backup);
    backup_free(again);
}

static void json_that_is_no_backup_is_refused_with_the_key(void **state)
{
    static const struct {
        const char *json, *key;
    } bad[] = {
        {"[]", "object"},
        {"{}", "\"id\""},
        {"{\"id\": null, \"state\": \"cut\"}", "\"id\""},
        {"{\"id\": \"x\"}", "\"state\""},
        {"{\"id\": \"x\", \"state\": \"odd\"}", "\"state\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"asked\": \"all\"}", "\"asked\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"mounts\": {}}", "\"mounts\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"mounts\": [1]}", "\"mounts\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"mounts\": [{\"path\": 1}]}", "mounts: \"path\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"window\": {\"begin\": \"now\"}}", "\"begin\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"timing_ms\": {\"hold\": 1e300}}", "\"hold\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"databases\": [{\"binlog_pos\": \"4\"}]}",
         "\"binlog_pos\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"pinned\": 1}", "\"pinned\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"shortfall\": [null]}", "\"shortfall\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"tags\": {\"a\": 1}}", "\"tags\""},
        {"{\"id\": \"x\", \"state\": \"cut\", \"left_out\": [{\"path\": \"/a\"}]}", "\"why\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct backup *backup = NULL;
        json_t *json = json_loads(bad[i].json, 0, NULL);
        assert_non_null(json);
        if (catalog_from_json(json, &backup, &err))
            fail_msg("taken: %s", bad[i].json);
        assert_int_equal(err.kind, ERR_PROTOCOL);
        if (strstr(err.text, bad[i].key) == NULL)
            fail_msg("\"%s\" lacks %s", err.text, bad[i].key);
        assert_null(backup);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_has_the_moment_and_a_random_tail),
        cmocka_unit_test(what_is_no_id_is_told_apart),
        cmocka_unit_test(the_common_tags_say_what_the_contract_names),
        cmocka_unit_test(a_new_backup_says_unconfirmed_and_invents_nothing),
        cmocka_unit_test(tags_of_a_database_that_was_not_held_lead_to_its_files),
        cmocka_unit_test(of_files_that_a_tag_has_no_room_for_whole_paths_are_told),
        cmocka_unit_test(a_clocks_error_that_is_not_known_is_no_number),
        cmocka_unit_test(a_volumes_own_tags_say_its_device_and_mounts),
        cmocka_unit_test(what_was_left_out_beyond_a_tag_is_counted),
        cmocka_unit_test(a_long_value_is_cut_at_a_character_and_marked),
        cmocka_unit_test(bytes_that_xml_cant_carry_are_replaced),
        cmocka_unit_test(only_what_changed_is_sent),
        cmocka_unit_test(everything_together_fits_on_a_resource),
        cmocka_unit_test(a_backup_reads_back_from_its_tags_as_it_was),
        cmocka_unit_test(a_set_that_its_tags_call_pending_is_not_raised),
        cmocka_unit_test(a_set_whose_tags_say_cut_or_failed_stays_so),
        cmocka_unit_test(a_label_raised_on_some_members_only_is_the_lowest),
        cmocka_unit_test(an_image_with_an_instant_of_its_own_does_not_lower_the_set),
        cmocka_unit_test(tags_that_cant_be_read_are_facts_that_are_absent),
        cmocka_unit_test(a_window_without_a_readable_error_keeps_its_ends),
        cmocka_unit_test(what_is_not_ours_is_passed_over_and_the_newest_comes_first),
        cmocka_unit_test(of_two_in_one_second_the_later_window_comes_first),
        cmocka_unit_test(the_json_is_the_one_of_the_contract),
        cmocka_unit_test(absent_facts_are_null),
        cmocka_unit_test(a_path_of_odd_bytes_does_not_break_the_json),
        cmocka_unit_test(json_reads_back_as_it_was_written),
        cmocka_unit_test(json_that_is_no_backup_is_refused_with_the_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
