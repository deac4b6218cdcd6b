/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/backup_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/tag.h"

/* A request over a configuration with tags, and what was read. */
struct scene {
    struct config config;
    json_t *args, *tags;
    struct work_options options;
    struct err err;
};

static int set_up(void **state)
{
    static struct scene scene;

    memset(&scene, 0, sizeof(scene));
    scene.tags = json_object();
    scene.args = json_pack("{s:O}", "tags", scene.tags);
    assert_non_null(scene.args);
    *state = &scene;
    return 0;
}

static int take_down(void **state)
{
    struct scene *scene = *state;

    strs_free(&scene->options.tags);
    strs_free(&scene->config.backup.tags);
    json_decref(scene->tags);
    json_decref(scene->args);
    return 0;
}

static void configure(struct scene *scene, const char *tag)
{
    assert_true(strs_add(&scene->config.backup.tags, tag, &scene->err));
}

/* COUNT tags PREFIX0, PREFIX1, … on either side. */
static void fill(struct scene *scene, int configured, int given)
{
    char text[32];

    for (int i = 0; i < configured; i++) {
        (void)snprintf(text, sizeof(text), "c%d=v", i);
        configure(scene, text);
    }
    for (int i = 0; i < given; i++) {
        (void)snprintf(text, sizeof(text), "g%d", i);
        assert_int_equal(json_object_set_new(scene->tags, text, json_string("v")), 0);
    }
}

static bool read_request(struct scene *scene)
{
    strs_free(&scene->options.tags);
    scene->options = (struct work_options){.asked = LABEL_APPLICATION};
    scene->err = (struct err)ERR_INIT;
    return backup_request_read(scene->args, &scene->config, &scene->options, &scene->err);
}

static void refuses(struct scene *scene, const char *text, const char *remedy)
{
    assert_false(read_request(scene));
    assert_int_equal(scene->err.kind, ERR_USAGE);
    assert_string_equal(scene->err.text, text);
    assert_string_equal(scene->err.remedy, remedy);
}

/* KEY_COUNT and VALUE_COUNT times CHARACTER. */
static void give_long(struct scene *scene, const char *character, int key_count, int value_count)
{
    char key[2048] = "", value[2048] = "";

    for (int i = 0; i < key_count; i++)
        strcat(key, character);
    for (int i = 0; i < value_count; i++)
        strcat(value, character);
    assert_int_equal(json_object_clear(scene->tags), 0);
    assert_int_equal(json_object_set_new(scene->tags, key, json_string(value)), 0);
}

static void a_tags_length_is_counted_in_characters(void **state)
{
    struct scene *scene = *state;

    give_long(scene, "\xc3\xa4", TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX);
    assert_true(read_request(scene));
    give_long(scene, "\xc3\xa4", TAG_KEY_CHARS_MAX + 1, 1);
    refuses(scene,
            "tags: the key 'ääääääääääääääääääääääääääääääääääääääää…' has 129 characters, more "
            "than 128",
            "EC2 takes no longer one: shorten it");
}

static void a_value_that_is_too_long_is_refused_not_cut(void **state)
{
    struct scene *scene = *state;

    give_long(scene, "v", 1, TAG_VALUE_CHARS_MAX + 1);
    refuses(scene, "tags: the value of 'v' has 257 characters, more than 256",
            "EC2 takes no longer one: shorten it");
}

static void a_tag_that_is_ours_is_refused(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(json_object_set_new(scene->tags, "Name", json_string("mine")), 0);
    refuses(scene, "tags: the tag Name is set by Stillpoint", "choose another key");
}

static void too_many_tags_are_counted_by_where_they_come_from(void **state)
{
    struct scene *scene = *state;

    fill(scene, 9, 6);
    assert_true(read_request(scene));
    assert_int_equal(scene->options.tags.count, TAG_OWN_MAX);
    fill(scene, 0, 7);
    refuses(scene, "more than 15 tags: 7 from the command and 9 from [backup] tags",
            "give fewer with --tag, or take some out of [backup] tags (stillpoint config shows "
            "where it stands) and restart stillpointd");
}

static void a_tag_of_the_command_takes_the_place_of_the_configured_one(void **state)
{
    struct scene *scene = *state;

    fill(scene, 13, 0);
    configure(scene, "Team=media");
    configure(scene, "Team2=kept");
    assert_int_equal(json_object_set_new(scene->tags, "Team", json_string("web")), 0);
    assert_true(read_request(scene));
    assert_int_equal(scene->options.tags.count, TAG_OWN_MAX);
    assert_false(strs_has(&scene->options.tags, "Team=media"));
    assert_true(strs_has(&scene->options.tags, "Team=web"));
    assert_true(strs_has(&scene->options.tags, "Team2=kept"));
}

static void a_reason_that_is_too_long_is_cut_and_known_to_be(void **state)
{
    struct scene *scene = *state;
    char reason[TAG_VALUE_CHARS_MAX + 2];

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';
    assert_int_equal(json_object_set_new(scene->args, "reason", json_string(reason)), 0);
    assert_true(read_request(scene));
    assert_true(scene->options.reason_cut);
    assert_int_equal(strlen(scene->options.reason), TAG_VALUE_CHARS_MAX);
}

#define WITH_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, take_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCENE(a_tags_length_is_counted_in_characters),
        WITH_SCENE(a_value_that_is_too_long_is_refused_not_cut),
        WITH_SCENE(a_tag_that_is_ours_is_refused),
        WITH_SCENE(too_many_tags_are_counted_by_where_they_come_from),
        WITH_SCENE(a_tag_of_the_command_takes_the_place_of_the_configured_one),
        WITH_SCENE(a_reason_that_is_too_long_is_cut_and_known_to_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
