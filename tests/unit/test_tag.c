/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* COUNT times TEXT, in a room of its own until the next call with the same SLOT. */
static const char *times(int slot, const char *text, int count)
{
    static char rooms[2][8192];

    assert_true(strlen(text) * (size_t)count < sizeof(rooms[slot]));
    rooms[slot][0] = '\0';
    for (int i = 0; i < count; i++)
        strcat(rooms[slot], text);
    return rooms[slot];
}

static void refuses(const char *key, const char *value, const char *text, const char *remedy)
{
    struct err err = ERR_INIT;

    assert_false(tag_check_own(key, value, &err));
    assert_int_equal(err.kind, ERR_USAGE);
    assert_string_equal(err.text, text);
    assert_string_equal(err.remedy, remedy);
}

static void takes(const char *key, const char *value)
{
    struct err err = ERR_INIT;

    if (!tag_check_own(key, value, &err))
        fail_msg("%s", err.text);
}

static void keys_that_are_not_the_operators_are_refused(void **state)
{
    (void)state;
    refuses("aws:x", "1", "keys that begin with 'aws:' are not yours to set", "choose another key");
    refuses("AWS:x", "1", "keys that begin with 'AWS:' are not yours to set", "choose another key");
    refuses("stillpoint:id", "1", "keys that begin with 'stillpoint:' are not yours to set",
            "choose another key");
    refuses("Name", "", "the tag Name is set by Stillpoint", "choose another key");
    refuses("", "1", "a tag without a key", "write it as KEY=VALUE");
    takes("name", "1");
    takes("Names", "");
    takes("aws", "aws:");
    takes("Stillpoint:id", "EC2 tells capitals from small letters");
}

static void lengths_count_characters_not_bytes(void **state)
{
    static const char remedy[] = "EC2 takes no longer one: shorten it";

    (void)state;
    takes(times(0, "k", 128), times(1, "v", 256));
    takes(times(0, "\xc3\xa4", 128), times(1, "\xf0\x9f\x98\x80", 256));
    refuses(times(0, "k", 129), "1",
            "the key 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…' has 129 characters, more than 128",
            remedy);
    refuses(times(0, "\xc3\xa4", 200), "1",
            "the key 'ääääääääääääääääääääääääääääääääääääääää…' has 200 characters, more than 128",
            remedy);
    refuses(times(0, "\xf0\x9f\x98\x80", 40), times(1, "v", 257),
            "the value of "
            "'😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀' "
            "has 257 characters, more than 256",
            remedy);
    refuses("Team", times(1, "\xc3\xa4", 300),
            "the value of 'Team' has 300 characters, more than 256", remedy);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    refuses("caf\xe9", "1", "not UTF-8", "write it in UTF-8");
    refuses("cafe", "\x80\x80", "not UTF-8", "write it in UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_not_the_operators_are_refused),
        cmocka_unit_test(lengths_count_characters_not_bytes),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
