/* SPDX-License-Identifier: BSD-2-Clause */
/* Files out of a copy session: what they keep, where they may go, and what is left when it fails.
 */
#include "tests/guard/copy_rig.h"

#include <pthread.h>
#include <sys/xattr.h>

enum { OUTER, INNER };

struct scene {
    struct copy_rig *rig;
    char to[200], marker[260];
    struct copy_progress done;
    int ticks;
    char told[40]; /* of cp: its oom_score_adj */
};

static int64_t soon(void)
{
    return clock_boot_ms() + 60000;
}

/* ---- steps ---- */

static void make_target(struct scene *scene)
{
    assert_int_equal(rig_sh("rm -rf %s && mkdir -m 755 %s", scene->to, scene->to), 0);
    rig_write(scene->marker, COPY_RIG_ID "\n");
}

static bool is_untouched(const struct scene *scene)
{
    return rig_sh("test \"$(ls -A %s)\" = %s", scene->to, COPY_MARKER_NAME) == 0;
}

static void mount_both(struct scene *scene)
{
    struct copy_rig *rig = scene->rig;
    uint32_t outer = copy_rig_add(rig, &rig->disks[OUTER]);
    uint32_t inner = copy_rig_add(rig, &rig->disks[INNER]);

    if (!copy_rig_mount(rig, outer, "/data", 0) || !copy_rig_mount(rig, inner, "/data/more", 0))
        fail_msg("%s", rig->err.text);
}

static void count_tick(void *context, const struct copy_progress *progress)
{
    struct scene *scene = context;

    assert_true(progress->bytes_done <= progress->bytes_total);
    assert_true(progress->bytes_total > 0 && progress->files_total > 0);
    scene->ticks++;
}

static bool take(struct scene *scene, const char *one, const char *other,
                 const struct cancel *cancel)
{
    const char *paths[] = {one, other};

    scene->rig->err = (struct err)ERR_INIT;
    scene->ticks = 0;
    return copy_files(scene->rig->copy, paths, other != NULL ? 2 : 1, count_tick, scene, soon(),
                      cancel, &scene->done, &scene->rig->err);
}

/* ---- what they keep ---- */

static void files_keep_all_that_they_are(void **state)
{
    struct scene *scene = *state;
    char path[300], value[100];

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    if (!take(scene, "/data/tree", "/data/in/below", NULL)) /* in: a link to more */
        fail_msg("%s", scene->rig->err.text);
    copy_rig_close(scene->rig);

    assert_int_equal(rig_sh("{ cd %s/data && find tree more -mindepth 1 -printf '%%p %%y %%m %%U "
                            "%%G %%n %%T@ %%l %%s\\n' | grep -v ' d ' | sort | "
                            "cmp - %s/list; }",
                            scene->to, scene->rig->rig->folder),
                     0);
    assert_int_equal(rig_sh("{ cd %s/data && find tree -type f -exec sha256sum {} + | sort | "
                            "cmp - %s/sums; }",
                            scene->to, scene->rig->rig->folder),
                     0);
    assert_int_equal(
        rig_sh("cd %s/data/tree && test one -ef two && test -p fifo && "
               "test $(stat -c %%b holes) -lt 64 && test $(stat -c %%t:%%T node) = 1:3 "
               "&& test $(stat -c %%a dir) = 2751",
               scene->to),
        0);
    rig_format(path, sizeof(path), "%s/data/tree/one", scene->to);
    assert_int_equal(getxattr(path, "user.colour", value, sizeof(value)), 4);
    assert_memory_equal(value, "blue", 4);
    assert_true(getxattr(path, "security.capability", value, sizeof(value)) > 0);
    rig_format(path, sizeof(path), "%s/data/tree/dir", scene->to);
    assert_true(getxattr(path, "system.posix_acl_default", value, sizeof(value)) > 0);
    assert_int_equal(access(scene->marker, F_OK), -1);
    assert_true(scene->done.files_done > 8);
    assert_int_equal(scene->done.bytes_done, scene->done.bytes_total);
}

static void mounts_below_a_path_come_along(void **state)
{
    struct scene *scene = *state;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    if (!take(scene, "/", NULL, NULL))
        fail_msg("%s", scene->rig->err.text);
    assert_false(take(scene, "/data/tree", NULL, NULL)); /* once a session */
    copy_rig_close(scene->rig);

    assert_int_equal(rig_sh("test -f %s/data/tree/one -a -f %s/data/more/below/deep -a "
                            "-f %s/data/big",
                            scene->to, scene->to, scene->to),
                     0);
}

static void links_lead_nowhere_but_into_the_copy(void **state)
{
    struct scene *scene = *state;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    assert_false(take(scene, "/data/out/passwd", NULL, NULL)); /* out -> /etc */
    assert_int_equal(scene->rig->err.kind, ERR_NOT_FOUND);
    assert_false(take(scene, "/data/up/etc/passwd", NULL, NULL)); /* up -> ../../../.. */
    assert_int_equal(scene->rig->err.kind, ERR_NOT_FOUND);
    assert_false(take(scene, "/data/tree", "/data/none", NULL));
    assert_int_equal(scene->rig->err.kind, ERR_NOT_FOUND);
    assert_false(take(scene, "/etc", NULL, NULL));
    assert_int_equal(scene->rig->err.kind, ERR_NOT_FOUND);
    assert_false(take(scene, "/data/../etc", NULL, NULL));
    assert_int_equal(scene->rig->err.kind, ERR_USAGE);
    assert_false(take(scene, "data", NULL, NULL));
    assert_int_equal(scene->rig->err.kind, ERR_USAGE);
    assert_true(is_untouched(scene));
    if (!take(scene, "/data/out", NULL, NULL)) /* the link itself */
        fail_msg("%s", scene->rig->err.text);
    copy_rig_close(scene->rig);
    assert_int_equal(rig_sh("test \"$(readlink %s/data/out)\" = /etc", scene->to), 0);
}

/* Holds cp for longer than a report takes to come. */
static void *hold_cp(void *context)
{
    struct scene *scene = context;
    pid_t inner = copy_rig_child_of(scene->rig->outer), cp = 0;
    char path[64];

    for (int i = 0; i < 2000; i++, rig_nap_ms(1)) {
        cp = copy_rig_child_of(inner);
        rig_format(path, sizeof(path), "/proc/%d/comm", (int)cp);
        if (cp != 0 && strcmp(rig_read(path), "cp\n") == 0)
            break;
    }
    (void)kill(cp, SIGSTOP);
    rig_format(path, sizeof(path), "/proc/%d/oom_score_adj", (int)cp);
    rig_format(scene->told, sizeof(scene->told), "%s", rig_read(path));
    rig_nap_ms(2300);
    (void)kill(cp, SIGCONT);
    return NULL;
}

static void progress_is_told(void **state)
{
    struct scene *scene = *state;
    pthread_t holder;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    assert_int_equal(pthread_create(&holder, NULL, hold_cp, scene), 0);
    int64_t begin_ms = clock_boot_ms();
    bool taken = take(scene, "/data/big", NULL, NULL);
    int64_t took_ms = clock_boot_ms() - begin_ms;
    (void)pthread_join(holder, NULL);

    assert_true(taken);
    assert_in_range(scene->ticks, 1, took_ms / 1000 + 1); /* about once a second */
    assert_string_equal(scene->told, "1000\n"); /* short of memory, the node's own come last */
    copy_rig_close(scene->rig);
}

/* ---- where they may go ---- */

static void assert_not_to(struct scene *scene, const char *to, const char *word)
{
    bool opened = copy_rig_try_open(scene->rig, COPY_FILES, to);

    assert_false(opened);
    assert_int_equal(scene->rig->err.kind, ERR_PRECONDITION);
    assert_true(scene->rig->err.remedy[0] != '\0');
    if (strstr(scene->rig->err.text, word) == NULL)
        fail_msg("%s: %s", to, scene->rig->err.text);
    assert_true(rig_wait_gone(scene->rig->outer));
}

static void destination_has_to_be_named_by_root(void **state)
{
    struct scene *scene = *state;
    char link[300];

    make_target(scene);
    assert_int_equal(unlink(scene->marker), 0);
    assert_not_to(scene, scene->to, "has no .stillpoint-restore");
    rig_write(scene->marker, "sp-20261124T081530Z-other\n");
    assert_not_to(scene, scene->to, "has no .stillpoint-restore");
    rig_write(scene->marker, COPY_RIG_ID "\n");
    assert_int_equal(chmod(scene->marker, 0644), 0);
    assert_not_to(scene, scene->to, "has no .stillpoint-restore");
    assert_int_equal(chmod(scene->marker, 0600), 0);
    assert_int_equal(chown(scene->marker, 65534, 0), 0);
    assert_not_to(scene, scene->to, "has no .stillpoint-restore");
    assert_int_equal(rig_sh("cp %s %s.real && chown root %s.real && chmod 600 %s.real && "
                            "ln -sf %s.real %s && mv %s.real %s/..",
                            scene->marker, scene->marker, scene->marker, scene->marker,
                            scene->marker, scene->marker, scene->marker, scene->to),
                     0);
    assert_not_to(scene, scene->to, "has no .stillpoint-restore"); /* a link to one */

    make_target(scene);
    assert_int_equal(chown(scene->to, 65534, 0), 0);
    assert_not_to(scene, scene->to, "not owned by root");
    assert_int_equal(chown(scene->to, 0, 0), 0);
    assert_int_equal(chmod(scene->to, 01777), 0);
    assert_not_to(scene, scene->to, "by others");
    assert_int_equal(chmod(scene->to, 0755), 0);
    rig_format(link, sizeof(link), "%s/link", scene->rig->rig->folder);
    (void)unlink(link);
    assert_int_equal(symlink(scene->to, link), 0);
    assert_not_to(scene, link, "can't be reached");
    assert_not_to(scene, "/nowhere/at/all", "can't be reached");
    assert_not_to(scene, "relative", "can't be reached");
    rig_format(link, sizeof(link), "%s/../%s", scene->to, strrchr(scene->to, '/') + 1);
    assert_not_to(scene, link, "can't be reached");
    assert_int_equal(rig_sh("touch %s/mine", scene->to), 0);
    assert_not_to(scene, scene->to, "not empty: it has mine");
    assert_int_equal(rig_sh("rm %s/mine", scene->to), 0);
    assert_true(is_untouched(scene));
}

/* With what lies above it: mode and owner of a folder between. */
static void assert_above(struct scene *scene, const char *change, const char *word)
{
    char between[260], to[300], marker[400];

    rig_format(between, sizeof(between), "%s/between", scene->rig->rig->folder);
    rig_format(to, sizeof(to), "%s/to", between);
    rig_format(marker, sizeof(marker), "%s/%s", to, COPY_MARKER_NAME);
    assert_int_equal(rig_sh("rm -rf %s && mkdir -m 755 %s %s", between, between, to), 0);
    rig_write(marker, COPY_RIG_ID "\n");
    assert_int_equal(rig_sh("%s %s", change, between), 0);
    if (word != NULL) {
        assert_not_to(scene, to, word);
        assert_non_null(strstr(scene->rig->err.text, between));
        return;
    }
    copy_rig_open_for(scene->rig, COPY_FILES, to);
    copy_rig_close(scene->rig);
}

static void destination_is_where_nobody_can_exchange_it(void **state)
{
    assert_above(*state, "chmod 777", "above the destination, can be written by others");
    assert_above(*state, "chmod 775", "above the destination, can be written by others");
    assert_above(*state, "chown nobody", "above the destination, is not owned by root");
    assert_above(*state, "chmod 1777", NULL); /* as /tmp */
    assert_above(*state, "chmod 700", NULL);
}

static bool ask(struct scene *scene, const char *to, bool preview)
{
    const struct copy_config config = {
        .socket = scene->rig->socket, .backup = to != NULL ? COPY_RIG_ID : "", .destination = to};

    scene->rig->err = (struct err)ERR_INIT;
    bool fine = copy_ask(&config, preview, soon(), NULL, &scene->rig->err);
    assert_int_equal(read(scene->rig->pids_fd, &scene->rig->outer, sizeof(pid_t)), sizeof(pid_t));
    assert_true(rig_wait_gone(scene->rig->outer));
    return fine;
}

static void assert_asked(struct scene *scene, const char *to, bool preview, const char *word)
{
    bool fine = ask(scene, to, preview);

    if (fine != (word == NULL) || (word != NULL && strstr(scene->rig->err.text, word) == NULL))
        fail_msg("%s: %s", to, fine ? "fine" : scene->rig->err.text);
}

static void destination_is_judged_beforehand_and_left_alone(void **state)
{
    struct scene *scene = *state;
    char partial[260], new_one[260], below[300];

    make_target(scene);
    rig_format(partial, sizeof(partial), "%s/%s", scene->to, COPY_PARTIAL_NAME);
    rig_format(new_one, sizeof(new_one), "%s.new", scene->to);
    rig_format(below, sizeof(below), "%s/below", new_one);
    assert_asked(scene, NULL, false, NULL);
    assert_asked(scene, scene->to, false, NULL);
    assert_int_equal(mkdir(partial, 0700), 0);
    assert_asked(scene, scene->to, false, NULL);
    assert_int_equal(rmdir(partial), 0); /* it was left */
    assert_true(is_untouched(scene));

    assert_int_equal(unlink(scene->marker), 0);
    assert_asked(scene, scene->to, false, "has no .stillpoint-restore");
    assert_asked(scene, scene->to, true, NULL);
    assert_int_equal(rig_sh("touch %s/mine", scene->to), 0);
    assert_asked(scene, scene->to, true, "the destination is not empty");
    assert_null(strstr(scene->rig->err.text, "mine")); /* root has not named it */
    rig_write(scene->marker, COPY_RIG_ID "\n");
    assert_asked(scene, scene->to, false, "not empty: it has mine");
    assert_asked(scene, new_one, false, "can't be reached");
    assert_asked(scene, new_one, true, NULL);
    assert_int_equal(access(new_one, F_OK), -1);
    assert_asked(scene, below, true, "can't be reached");
}

static void destination_takes_one_session_at_a_time(void **state)
{
    struct scene *scene = *state;
    struct copy_rig other;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    other = *scene->rig;
    other.copy = NULL;
    assert_false(copy_rig_try_open(&other, COPY_FILES, scene->to));
    assert_non_null(strstr(other.err.text, "another restore"));
    copy_rig_close(scene->rig);
    assert_true(is_untouched(scene));
}

static void destination_without_room_is_refused_beforehand(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(rig_sh("rm -rf %s && mkdir %s && mount -t tmpfs -o size=8m,mode=755 none %s",
                            scene->to, scene->to, scene->to),
                     0);
    rig_write(scene->marker, COPY_RIG_ID "\n");
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    bool taken = take(scene, "/data/big", NULL, NULL);
    bool small = take(scene, "/data/more", NULL, NULL);
    copy_rig_close(scene->rig);
    int gone = rig_sh("test -f %s/data/more/below/deep && umount %s", scene->to, scene->to);

    assert_false(taken);
    assert_true(small); /* the session was still good for what fits */
    assert_int_equal(gone, 0);
}

/* ---- what is left ---- */

static void *ask_soon(void *cancel)
{
    rig_nap_ms(60);
    cancel_ask(cancel);
    return NULL;
}

static void client_that_goes_leaves_the_destination_as_it_was(void **state)
{
    struct scene *scene = *state;
    struct cancel cancel = CANCEL_INIT;
    pthread_t asker;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    assert_true(cancel_open(&cancel, &scene->rig->err));
    assert_int_equal(pthread_create(&asker, NULL, ask_soon, &cancel), 0);
    bool taken = take(scene, "/data/big", NULL, &cancel);
    (void)pthread_join(asker, NULL);
    cancel_close(&cancel);

    assert_false(taken);
    assert_int_equal(scene->rig->err.kind, ERR_CANCELLED);
    copy_rig_assert_nothing_left(scene->rig, 0, 0);
    assert_true(is_untouched(scene));
}

static void *kill_soon(void *context)
{
    const struct scene *scene = context;
    char partial[260];

    rig_format(partial, sizeof(partial), "%s/%s", scene->to, COPY_PARTIAL_NAME);
    for (int i = 0; i < 2000 && access(partial, F_OK) < 0; i++)
        rig_nap_ms(2);
    (void)kill(scene->rig->outer, SIGKILL);
    return NULL;
}

static void session_that_was_killed_is_no_hindrance(void **state)
{
    struct scene *scene = *state;
    pthread_t killer;

    make_target(scene);
    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    mount_both(scene);
    assert_int_equal(pthread_create(&killer, NULL, kill_soon, scene), 0);
    bool taken = take(scene, "/data/big", NULL, NULL);
    (void)pthread_join(killer, NULL);
    assert_false(taken);
    copy_rig_assert_nothing_left(scene->rig, 0, 0);
    copy_free(scene->rig->copy);
    scene->rig->copy = NULL;
    assert_int_equal(rig_sh("test -d %s/%s", scene->to, COPY_PARTIAL_NAME), 0);

    copy_rig_open_for(scene->rig, COPY_FILES, scene->to);
    assert_true(is_untouched(scene));
    copy_rig_close(scene->rig);
}

/* ---- set-up ---- */

static int open_all(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    char script[1500];
    static const unsigned char acl[] = {2,    0,    0, 0, 1,    0,    7,    0,    0xff, 0xff,
                                        0xff, 0xff, 4, 0, 5,    0,    0xff, 0xff, 0xff, 0xff,
                                        0x20, 0,    5, 0, 0xff, 0xff, 0xff, 0xff};
    static const unsigned char capability[] = {1, 0, 0, 2, 0, 4, 0, 0, 0, 0,
                                               0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    assert_non_null(scene);
    scene->rig = copy_rig_start();
    rig_format(scene->to, sizeof(scene->to), "%s/to", scene->rig->rig->folder);
    rig_format(scene->marker, sizeof(scene->marker), "%s/%s", scene->to, COPY_MARKER_NAME);
    rig_format(
        script, sizeof(script),
        "mkdir -p tree/dir more && cd tree && printf one >one && ln one two && "
        "truncate -s 40M holes && printf end >>holes && ln -s one link && mkfifo fifo && "
        "mknod node c 1 3 && mkdir -p -- '-rf x' && printf x >\"-rf x/new\n line\" && "
        "printf s >suid && chown -h 1234:4321 one link && chmod 4711 suid && chmod 2751 dir && "
        "touch -d 2001-02-03T04:05:06.789 one suid && cd .. && ln -s /etc out && ln -s more in && "
        "ln -s ../../../.. up && head -c 150M /dev/urandom >big");
    struct copy_disk *disk = copy_rig_fs(scene->rig, "ext4", 256, script);
    (void)copy_rig_fs(scene->rig, "xfs", 320, "mkdir below && printf deep >below/deep");
    char mount[200], path[300];
    rig_format(mount, sizeof(mount), "%s/work", scene->rig->rig->folder);
    assert_int_equal(rig_sh("mount %s %s && mount -o nouuid %s %s/more", disk->path, mount,
                            scene->rig->disks[INNER].path, mount),
                     0);
    rig_format(path, sizeof(path), "%s/tree/one", mount);
    int set = setxattr(path, "user.colour", "blue", 4, 0) |
              setxattr(path, "security.capability", capability, sizeof(capability), 0);
    rig_format(path, sizeof(path), "%s/tree/dir", mount);
    set |= setxattr(path, "system.posix_acl_default", acl, sizeof(acl), 0);
    int listed = rig_sh("{ cd %s && find tree more -mindepth 1 -printf '%%p %%y %%m %%U %%G %%n "
                        "%%T@ %%l %%s\\n' | grep -v ' d ' | sort >../list; }",
                        mount);
    listed |= rig_sh("{ cd %s && find tree -type f -exec sha256sum {} + | sort >../sums; }", mount);
    assert_int_equal(rig_sh("umount %s/more; umount %s", mount, mount), 0);
    assert_int_equal(set, 0);
    assert_int_equal(listed, 0);
    *state = scene;
    return 0;
}

static int tear(void **state)
{
    struct scene *scene = *state;

    copy_free(scene->rig->copy);
    scene->rig->copy = NULL;
    (void)rig_sh("umount %s", scene->to);
    return 0;
}

static int close_all(void **state)
{
    struct scene *scene = *state;

    copy_rig_end(scene->rig);
    free(scene);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, tear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_keep_all_that_they_are),
        TEST(mounts_below_a_path_come_along),
        TEST(progress_is_told),
        TEST(links_lead_nowhere_but_into_the_copy),
        TEST(destination_has_to_be_named_by_root),
        TEST(destination_is_where_nobody_can_exchange_it),
        TEST(destination_is_judged_beforehand_and_left_alone),
        TEST(destination_takes_one_session_at_a_time),
        TEST(destination_without_room_is_refused_beforehand),
        TEST(client_that_goes_leaves_the_destination_as_it_was),
        TEST(session_that_was_killed_is_no_hindrance),
    };

    return cmocka_run_group_tests(tests, open_all, close_all);
}
