/* SPDX-License-Identifier: BSD-2-Clause */
/* seal in a tree of the test's own: nothing of this machine is looked at. */
#include "agent/cli/cli_seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/cli/cli_sweep.h"
#include "agent/guard/guard_record.h"
#include "tests/unit/tree.h"

#define ID       "sp-20261124T081530Z-k3f9x"
#define LOAN     "ln-20261124T081530Z-k3f9x"
#define SEALED   "sealed: nothing of this machine is kept\n"
#define MANIFEST ".stillpoint-manifest.json"

struct world {
    struct tree tree;
    char mount_table[TREE_PATH_BYTES], timers[TREE_PATH_BYTES];
    struct cli_seal_machine machine;
    struct config *config;
    struct cli_options options;
    int listener; /* -1 */
    bool full;    /* what is said on stdout can't be written */
    char *out, *err;
    size_t out_len, err_len;
};

static bool there(const struct world *world, const char *path)
{
    char whole[TREE_PATH_BYTES];
    struct stat st;

    return lstat(tree_path(&world->tree, path, whole), &st) == 0;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    char text[TREE_PATH_BYTES * 3];
    struct err err = ERR_INIT;

    assert_non_null(world);
    tree_make(&world->tree, "seal");
    world->machine = (struct cli_seal_machine){
        .root = world->tree.root,
        .mount_table = tree_path(&world->tree, "mountinfo", world->mount_table),
        .timers = tree_path(&world->tree, "timers", world->timers)};
    tree_folder(&world->tree, "state");
    tree_folder(&world->tree, "run");
    tree_write(&world->tree, "mountinfo", "");
    (void)snprintf(
        text, sizeof(text),
        "[paths]\nstate = %s/state\nrun = %s/run\n[metrics]\ntextfile = %s/prom/x.prom\n",
        world->tree.root, world->tree.root, world->tree.root);
    if (!config_from_text("/etc/stillpoint/stillpoint.conf", text, strlen(text), &world->config,
                          &err))
        fail_msg("%s", err.text);
    free(world->config->path);
    world->config->path = strdup("/etc/stillpoint/stillpoint.conf");
    world->options.command = CLI_SEAL;
    world->listener = -1;
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    if (world->listener >= 0)
        (void)close(world->listener);
    tree_remove(&world->tree);
    config_free(world->config);
    free(world->out);
    free(world->err);
    free(world);
    return 0;
}

static int seal(struct world *world)
{
    free(world->out);
    free(world->err);
    world->out = NULL;
    FILE *out =
        world->full ? fopen("/dev/full", "w") : open_memstream(&world->out, &world->out_len);
    FILE *err = open_memstream(&world->err, &world->err_len);
    const struct cli cli = {.options = &world->options,
                            .out = out,
                            .err = err,
                            .look = {.columns = 80},
                            .err_look = {.columns = 80},
                            .signal_fd = -1};
    int exit_code = cli_seal(&cli, world->config, &world->machine);
    (void)fclose(out);
    assert_int_equal(fclose(err), 0);
    return exit_code;
}

static void needs_root(void)
{
    if (geteuid() != 0)
        skip();
}

/* Where /tmp is none, what lies in RUN is in no image, and stays. */
static bool is_on_disk(const struct world *world)
{
    struct statfs fs;

    assert_int_equal(statfs(world->tree.root, &fs), 0);
    return fs.f_type != 0x01021994;
}

/* All that a node's programs leave. */
static void live_in(const struct world *world)
{
    static const char *const files[] = {
        "state/identity.json",
        "state/rollback.json",
        "state/identity.json.new",
        "state/hold.json",
        "state/metrics.json",
        "prom/x.prom",
        "prom/x.prom.new",

        "run/control.sock",
        "run/unmounted/mounts",
        "timers/stamp-stillpoint-backup@nightly.timer",
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        tree_write(&world->tree, files[i], "{}\n");
    tree_write(&world->tree, "timers/stamp-fstrim.timer", "");
    tree_write(&world->tree, "state/removing/" ID ".json", "{}");
    tree_write(&world->tree, "state/journal/" ID ".json", "{\"step\": \"absent\"}");
    tree_write(&world->tree, "state/journal/" ID ".json.new", "");
}

static void all_that_a_node_leaves_goes_and_again_is_harmless(void **state)
{
    struct world *world = *state;

    needs_root();
    live_in(world);

    assert_int_equal(seal(world), 0);

    assert_true(there(world, "state"));
    assert_non_null(strstr(world->out, "state/identity.json: which instance this was\n"));
    assert_non_null(strstr(world->out, SEALED));
    assert_string_equal(world->err, "");
    assert_false(there(world, "state/identity.json"));
    assert_false(there(world, "state/identity.json.new"));
    assert_false(there(world, "state/hold.json"));
    assert_false(there(world, "state/rollback.json"));
    assert_false(there(world, "state/metrics.json"));
    assert_false(there(world, "prom/x.prom"));
    assert_false(there(world, "prom/x.prom.new"));
    assert_false(there(world, "state/journal"));
    assert_false(there(world, "state/removing"));
    assert_int_equal(there(world, "run/control.sock"), !is_on_disk(world));
    assert_int_equal(there(world, "run/unmounted"), !is_on_disk(world));
    assert_false(there(world, "timers/stamp-stillpoint-backup@nightly.timer"));
    assert_true(there(world, "timers/stamp-fstrim.timer"));

    assert_int_equal(seal(world), 0);
    assert_string_equal(world->out, SEALED);
}

static void a_dry_run_removes_nothing_and_says_the_same(void **state)
{
    struct world *world = *state;

    needs_root();
    live_in(world);
    world->options.dry_run = true;

    assert_int_equal(seal(world), 0);

    assert_non_null(strstr(world->out, "would remove "));
    assert_non_null(strstr(world->out, "state/journal: its journal of backups\n"));
    assert_non_null(strstr(world->out, "not sealed yet\n"));
    assert_true(there(world, "state/journal/" ID ".json"));
    assert_true(there(world, "state/identity.json"));
    assert_true(there(world, "run/unmounted/mounts"));
    assert_true(there(world, "timers/stamp-stillpoint-backup@nightly.timer"));
}

static void json_is_one_document(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "state/identity.json", "{}");
    world->options.json = true;

    assert_int_equal(seal(world), 0);

    json_t *whole = json_loads(world->out, 0, NULL);
    assert_true(json_is_true(json_object_get(whole, "sealed")));
    assert_int_equal(json_array_size(json_object_get(whole, "removed")), 1);
    assert_int_equal(json_array_size(json_object_get(whole, "left")), 0);
    json_decref(whole);
}

static void the_exit_code_is_that_of_the_work_not_of_the_telling(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "state/identity.json", "{}");
    world->full = true;
    world->options.dry_run = true;
    assert_int_equal(seal(world), 1); /* it only asks */
    world->options.dry_run = false;
    assert_int_equal(seal(world), 0);
    assert_non_null(strstr(world->err, "cannot write the output"));
    assert_false(there(world, "state/identity.json"));
}

static void a_file_in_place_of_the_state_directory_is_told_with_what_to_do(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "file", "");
    world->config->paths.state[strlen(world->config->paths.state) - strlen("state")] = '\0';
    (void)strcat(world->config->paths.state, "file");

    assert_int_equal(seal(world), 3);

    assert_non_null(strstr(world->out, "Not a directory"));
    assert_non_null(strstr(world->out, "remove what is there, or name another folder"));
}

static void a_stranger_stays_and_is_told(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "state/identity.json", "{}");
    tree_write(&world->tree, "state/notes.txt", "mine");
    tree_write(&world->tree, "state/journal/deeper/file", "mine");

    assert_int_equal(seal(world), 3);

    assert_false(there(world, "state/identity.json"));
    assert_true(there(world, "state/notes.txt"));
    assert_true(there(world, "state/journal/deeper/file"));
    assert_non_null(strstr(world->out, "state/notes.txt: is none of Stillpoint's files\n  do:  "));
    assert_non_null(strstr(world->out, "state/journal: journal: deeper is a folder"));
    assert_non_null(strstr(world->out, "not sealed: something stays\n"));
    world->options.quiet = true;
    assert_int_equal(seal(world), 3);
    assert_string_equal(world->out, "");
    assert_non_null(strstr(world->err, "state/notes.txt"));
}

static void what_is_not_settled_refuses_until_it_is_given_up(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "state/identity.json", "{}");
    tree_write(&world->tree, "state/journal/" ID ".json", "{\"step\": \"hold\"}");
    tree_write(&world->tree, "state/loans/" LOAN ".json", "{}");

    assert_int_equal(seal(world), 5);
    assert_non_null(strstr(world->err, ID ", " LOAN "\n  do:  systemctl start stillpointd"));
    assert_non_null(strstr(world->err, "now: nothing was removed"));
    assert_true(there(world, "state/identity.json"));

    world->options.force = true;
    assert_int_equal(seal(world), 0);
    assert_false(there(world, "state/journal"));
    assert_false(there(world, "state/loans"));
}

/* The daemon's user makes of its state directory what it likes. */
static void nothing_is_removed_behind_a_link(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "etc/ln-x.json.new", "root's");
    tree_write(&world->tree, "etc/identity.json", "root's");
    tree_link(&world->tree, "state/loans", "etc");
    tree_link(&world->tree, "state/identity.json", "etc/identity.json");
    tree_write(&world->tree, "state/journal/x", "");
    tree_link(&world->tree, "state/journal/" ID ".json.new", "etc/identity.json");

    assert_int_equal(seal(world), 0);

    assert_true(there(world, "etc/ln-x.json.new"));
    assert_true(there(world, "etc/identity.json"));
    assert_false(there(world, "state/loans"));
    assert_false(there(world, "state/identity.json"));
    assert_false(there(world, "state/journal"));
}

static void a_link_of_somebody_else_on_the_way_refuses(void **state)
{
    struct world *world = *state;
    char path[TREE_PATH_BYTES], target[TREE_PATH_BYTES];
    struct err err = ERR_INIT;
    int fd = -1;

    needs_root();
    tree_write(&world->tree, "etc/identity.json", "root's");
    tree_folder(&world->tree, "theirs");
    assert_int_equal(symlink(tree_path(&world->tree, "etc", target),
                             tree_path(&world->tree, "theirs/state", path)),
                     0);

    assert_true(cli_sweep_open(path, &fd, &err)); /* root made it, in a folder of root's */
    assert_int_equal(close(fd), 0);

    assert_int_equal(chown(tree_path(&world->tree, "theirs", target), 65534, 65534), 0);
    assert_false(cli_sweep_open(path, &fd, &err));
    assert_int_equal(err.kind, ERR_PRECONDITION);
    assert_non_null(strstr(err.text, "state is a symbolic link that others than root"));

    free(world->config->paths.state);
    world->config->paths.state = strdup(path);
    assert_int_equal(seal(world), 3);
    assert_non_null(strstr(world->out, "symbolic link"));
    assert_true(there(world, "etc/identity.json"));
}

/* One that somebody listens at is the lab's matter: it wants a daemon that answers. */
static void the_run_folder_on_a_disk_is_swept_and_its_strangers_told(void **state)
{
    struct world *world = *state;

    needs_root();
    if (!is_on_disk(world))
        skip();
    tree_write(&world->tree, "run/metrics/stillpoint.prom", "");
    tree_write(&world->tree, "run-upgrade", "");
    assert_int_equal(seal(world), 0);
    assert_false(there(world, "run/metrics/stillpoint.prom"));
    assert_false(there(world, "run-upgrade"));

    tree_write(&world->tree, "run/junk", "");
    assert_int_equal(seal(world), 3);
    assert_non_null(
        strstr(world->out, "run/junk: is none of Stillpoint's files\n  do:  remove it"));
    assert_true(there(world, "run/junk"));
}

static void a_socket_that_nobody_listens_at_goes(void **state)
{
    struct world *world = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[TREE_PATH_BYTES];

    needs_root();
    if (!is_on_disk(world))
        skip();
    strcpy(address.sun_path, tree_path(&world->tree, "run/guard.sock", path));
    world->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(world->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(world->listener, 8), 0);

    assert_int_equal(seal(world), 3);
    assert_non_null(strstr(world->out, "guard.sock: somebody listens there\n  do:  "));
    assert_true(there(world, "run/guard.sock"));

    assert_int_equal(close(world->listener), 0);
    world->listener = -1;
    assert_int_equal(seal(world), 0);
    assert_false(there(world, "run/guard.sock"));
}

static void write_record(const struct world *world, uint32_t mount_state, bool whole)
{
    struct guard_record *record = calloc(1, sizeof(*record));
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    char path[TREE_PATH_BYTES];

    assert_non_null(record);
    assert_non_null(file);
    memcpy(record->magic, GUARD_RECORD_MAGIC, 8);
    record->version = GUARD_RECORD_VERSION;
    record->bytes = sizeof(*record);
    assert_int_equal(fscanf(file, "%39s", record->boot_id), 1);
    (void)fclose(file);
    record->mount_count = 1;
    strcpy(record->mounts[0].path, "/srv/data");
    record->mounts[0].state = mount_state;
    file = fopen(tree_path(&world->tree, "run/guard.lease", path), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(record, whole ? sizeof(*record) : 100, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    free(record);
}

static void nothing_is_sealed_while_something_is_frozen(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "state/identity.json", "{}");
    world->options.force = true; /* not even so */

    write_record(world, GUARD_MOUNT_FROZEN, true);
    assert_int_equal(seal(world), 4);
    assert_non_null(strstr(world->err, "frozen"));
    assert_true(there(world, "run/guard.lease"));
    assert_true(there(world, "state/identity.json"));

    write_record(world, GUARD_MOUNT_FROZEN, false); /* what it says nobody can know */
    assert_int_equal(seal(world), 5);
    assert_non_null(strstr(world->err, "can't be judged"));
    assert_true(there(world, "run/guard.lease"));

    write_record(world, GUARD_MOUNT_THAWED, true);
    assert_int_equal(seal(world), 0);
    assert_int_equal(there(world, "run/guard.lease"), !is_on_disk(world));
}

static void manifests_of_disks_go_and_of_nothing_else(void **state)
{
    struct world *world = *state;
    char table[TREE_PATH_BYTES * 5];
    struct stat st;

    needs_root();
    tree_write(&world->tree, "data/" MANIFEST, "{}");
    tree_write(&world->tree, "data/" MANIFEST ".new", "{}");
    tree_write(&world->tree, "data/other.json", "{}");
    tree_write(&world->tree, "net/" MANIFEST, "{}");
    tree_write(&world->tree, "swapped/" MANIFEST, "{}");
    assert_int_equal(stat(world->tree.root, &st), 0);
    tree_write(&world->tree, "resolv.conf", "");
    /* The second hangs when its server has gone; the third is not what the table says; the fourth
     * is a file. */
    (void)snprintf(table, sizeof(table),
                   "30 1 %u:%u / %s/data rw - btrfs /dev/x rw\n"
                   "31 1 0:99 / %s/net rw - nfs4 server:/x rw\n"
                   "32 1 251:77 / %s/swapped rw - ext4 /dev/y rw\n"
                   "33 1 251:77 /x/resolv.conf %s/resolv.conf rw - ext4 /dev/y rw\n",
                   major(st.st_dev), minor(st.st_dev), world->tree.root, world->tree.root,
                   world->tree.root, world->tree.root);
    tree_write(&world->tree, "mountinfo", table);

    assert_int_equal(seal(world), 0);

    assert_false(there(world, "data/" MANIFEST));
    assert_false(there(world, "data/" MANIFEST ".new"));
    assert_true(there(world, "data/other.json"));
    assert_true(there(world, "net/" MANIFEST));
    assert_true(there(world, "swapped/" MANIFEST));
}

static void keys_in_files_are_named_and_never_shown(void **state)
{
    struct world *world = *state;

    needs_root();
    tree_write(&world->tree, "etc/stillpoint/stillpoint.conf", "[aws]\nidentity = imds\n");
    tree_write(&world->tree, "etc/stillpoint/keys.env",
               "AWS_REGION=x\nAWS_SECRET_ACCESS_KEY=geheim\n");
    tree_write(&world->tree, "etc/systemd/system/stillpointd.service.d/keys.conf",
               "[Service]\nEnvironment=\"AWS_SECRET_ACCESS_KEY=geheim\"\n"
               "EnvironmentFile=-/srv/keys\n");
    tree_write(&world->tree, "etc/default/stillpointd",
               "# AWS_SECRET_ACCESS_KEY=geheim\nAWS_SECRET_ACCESS_KEY=\n"
               "NO_AWS_SECRET_ACCESS_KEY=geheim\n");
    tree_write(&world->tree, "srv/keys", "export aws_secret_access_key = 'geheim'\n");

    assert_int_equal(seal(world), 0);

    assert_null(strstr(world->out, "geheim"));
    assert_non_null(strstr(world->out, "/etc/stillpoint/keys.env:2: a secret access key of AWS"));
    assert_non_null(strstr(world->out, "stillpointd.service.d/keys.conf:2: "));
    assert_non_null(strstr(world->out, "/srv/keys:1: "));
    assert_null(strstr(world->out, "/etc/default"));
    assert_true(there(world, "etc/stillpoint/keys.env")); /* never configuration */
}

/* The manager's own files, drop-ins for every service, and units that a person installed. */
static void keys_of_the_system_manager_are_found_too(void **state)
{
    static const struct {
        const char *path, *line;
    } files[] = {
        {"etc/systemd/system/service.d/all.conf", "Environment=AWS_SECRET_ACCESS_KEY=geheim"},
        {"usr/local/lib/systemd/system/stillpointd.service",
         "Environment=AWS_SECRET_ACCESS_KEY=geheim"},
        {"usr/local/lib/systemd/system/stillpointd.service.d/a.conf",
         "Environment='A=b' 'AWS_SECRET_ACCESS_KEY=geheim'"},
        {"usr/lib/systemd/system/stillpoint-.service.d/b.conf",
         "EnvironmentFile = - /srv/named \nX=y"},
        {"srv/named", "\nAWS_SECRET_ACCESS_KEY=geheim"},
        {"etc/systemd/system.conf", "DefaultEnvironment=AWS_SECRET_ACCESS_KEY=geheim"},
        {"etc/systemd/system.conf.d/c.conf", "DefaultEnvironment=AWS_SECRET_ACCESS_KEY=geheim"},
    };
    static const char *const found[] = {
        "/etc/systemd/system/service.d/all.conf:2: ",
        "/usr/local/lib/systemd/system/stillpointd.service:2: ",
        "/usr/local/lib/systemd/system/stillpointd.service.d/a.conf:2: ",
        "/srv/named:3: ",
        "/etc/systemd/system.conf:2: ",
        "/etc/systemd/system.conf.d/c.conf:2: ",
    };
    struct world *world = *state;
    char text[256];

    needs_root();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(text, sizeof(text), "[Section]\n%s\n", files[i].line);
        tree_write(&world->tree, files[i].path, text);
    }
    tree_write(&world->tree, "etc/systemd/system/other.service.d/keys.conf",
               "[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=geheim\n");

    assert_int_equal(seal(world), 0);

    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        assert_non_null(strstr(world->out, found[i]));
    assert_null(strstr(world->out, "other.service"));
    assert_null(strstr(world->out, "geheim"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_a_node_leaves_goes_and_again_is_harmless, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dry_run_removes_nothing_and_says_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(json_is_one_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_exit_code_is_that_of_the_work_not_of_the_telling,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stranger_stays_and_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_file_in_place_of_the_state_directory_is_told_with_what_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_settled_refuses_until_it_is_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_removed_behind_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_of_somebody_else_on_the_way_refuses, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_run_folder_on_a_disk_is_swept_and_its_strangers_told,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_socket_that_nobody_listens_at_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_sealed_while_something_is_frozen, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(manifests_of_disks_go_and_of_nothing_else, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keys_in_files_are_named_and_never_shown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_of_the_system_manager_are_found_too, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
