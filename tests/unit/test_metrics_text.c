/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/fileio.h"

#define T0 1795508130250000LL

static struct metrics_record record;
static struct buf text = BUF_INIT(METRICS_TEXT_BYTES_MAX);
static struct err err;

static int set_up(void **state)
{
    (void)state;
    memset(&record, 0, sizeof(record));
    record.exit_code = -1;
    for (size_t i = 0; i < BACKUP_TIMINGS; i++)
        *backup_timing_slot(&record.set.timing, i) = BACKUP_UNKNOWN;
    buf_clear(&text);
    err = (struct err)ERR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&text);
    return 0;
}

static void fill(void)
{
    record.result = METRICS_DEGRADED;
    record.exit_code = 3;
    record.success_utc_us = T0;
    record.last.begun_utc_us = T0 + 1;
    record.steps[0] = (struct metrics_step){"plan", 1250};
    record.step_count = 1;
    (void)snprintf(record.set.id, sizeof(record.set.id), "sp-1");
    record.set.label = LABEL_FILESYSTEM;
    record.set.asked = LABEL_APPLICATION;
    record.set.timing.hold_us = 303300;
    record.set.timing.freeze_us = 1400;
    record.set.volumes[0] = (struct metrics_volume){"vol-1", "a\"b\\c\nd", 1073741824};
    record.set.volumes[1] = (struct metrics_volume){"vol-2", "/dev/sdf", 2147483648};
    record.set.volume_count = 2;
    record.seen_utc_us = record.oldest_good_utc_us = record.newest_good_utc_us = T0;
    record.good = 2;
    record.verify_utc_us = T0;
    record.verify_result = VERIFY_FAILED;
    record.lent = 3;
    record.lent_utc_us = T0;
    record.lent_us = 2500000;
}

static void has(const char *line)
{
    char whole[200];

    (void)snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (strstr(buf_text(&text), whole) == NULL)
        fail_msg("no line '%s' in\n%s", line, buf_text(&text));
}

static void write_it(void)
{
    if (!metrics_text(&record, &text, &err))
        fail_msg("%s", err.text);
}

static void each_fact_is_a_line_in_base_units(void **state)
{
    (void)state;
    fill();

    write_it();

    has("stillpoint_backup_last_success_timestamp_seconds 1795508130.250000");
    has("stillpoint_backup_last_result{result=\"degraded\"} 1");
    has("stillpoint_backup_last_result{result=\"success\"} 0");
    has("stillpoint_backup_last_exit_code 3");
    has("stillpoint_backup_last_step_duration_seconds{step=\"plan\"} 1.250000");
    has("stillpoint_backup_last_label{label=\"filesystem\"} 1");
    has("stillpoint_backup_last_label{label=\"application\"} 0");
    has("stillpoint_backup_last_label_below_asked 1");
    has("stillpoint_backup_last_hold_duration_seconds 0.303300");
    has("stillpoint_backup_last_hold_part_duration_seconds{part=\"freeze\"} 0.001400");
    has("stillpoint_backup_last_volumes_size_bytes 3221225472");
    has("stillpoint_sets{state=\"good\"} 2");
    has("stillpoint_verify_last_result{result=\"failed\"} 1");
    has("stillpoint_verify_last_result{result=\"ok\"} 0");
    has("stillpoint_lent_holds_total 3");
    has("stillpoint_lent_hold_failures_total 0");
    has("stillpoint_lent_hold_last_duration_seconds 2.500000");
}

static void a_value_can_not_break_its_line(void **state)
{
    (void)state;
    fill();

    write_it();

    has("stillpoint_backup_last_volume_size_bytes{volume=\"vol-1\",device=\"a\\\"b\\\\c\\nd\"} "
        "1073741824");
}

static void what_never_was_is_0_or_absent_and_no_success(void **state)
{
    (void)state;

    write_it();

    has("stillpoint_backup_last_success_timestamp_seconds 0.000000");
    has("stillpoint_backup_last_result{result=\"success\"} 0");
    has("stillpoint_verify_last_timestamp_seconds 0.000000");
    assert_null(strstr(buf_text(&text), "last_exit_code"));
    assert_null(strstr(buf_text(&text), "last_label"));
    assert_null(strstr(buf_text(&text), "stillpoint_sets{"));
    assert_null(strstr(buf_text(&text), "verify_last_result"));
}

static void a_size_that_is_not_known_makes_no_sum(void **state)
{
    (void)state;
    fill();
    record.set.volumes[1].size_bytes = -1;

    write_it();

    assert_null(strstr(buf_text(&text), "size_bytes"));
}

/* HELP, TYPE, then its lines, each family once: by the format's own rules. */
static void every_family_stands_together_and_once(void **state)
{
    (void)state;
    fill();
    write_it();

    for (const struct metrics_family *family = metrics_families(); family->name != NULL; family++) {
        char help[160];
        (void)snprintf(help, sizeof(help), "# HELP %s ", family->name);
        const char *at = strstr(buf_text(&text), help);
        assert_non_null(at);
        assert_null(strstr(at + 1, help));
        assert_null(strchr(family->help, '\n'));
        assert_null(strchr(family->help, '\\'));
        at = strchr(at, '\n') + 1;
        assert_int_equal(strncmp(at, "# TYPE ", 7), 0);
        at = strchr(at, '\n') + 1;
        assert_int_equal(strncmp(at, family->name, strlen(family->name)), 0);
    }
}

static void read_file(const char *path, struct buf *ret_text)
{
    if (!fileio_read(path, ret_text, &err))
        fail_msg("%s", err.text);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_family(const char *name, size_t len)
{
    for (const struct metrics_family *family = metrics_families(); family->name != NULL; family++) {
        if (strlen(family->name) == len && memcmp(family->name, name, len) == 0)
            return true;
    }
    return false;
}

static bool has_name(const char *where, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(where, name); at != NULL; at = strstr(at + 1, name)) {
        if ((at == where || !is_name_char(at[-1])) && !is_name_char(at[len]))
            return true;
    }
    return false;
}

/* What is drawn and alarmed is what is written, and nothing is written that nobody sees. */
static void dashboard_and_rules_have_the_table_s_names(void **state)
{
    static const char *const files[] = {"packaging/monitoring/stillpoint-dashboard.json",
                                        "packaging/monitoring/stillpoint-rules.yml"};
    struct buf both = BUF_INIT(1024 * 1024);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t before = both.len;
        read_file(files[i], &both);
        for (const char *at = strstr(both.data + before, "stillpoint_"); at != NULL;
             at = strstr(at + 1, "stillpoint_")) {
            size_t len = 0;
            while (is_name_char(at[len]))
                len++;
            if (!is_family(at, len))
                fail_msg("%s: nobody writes %.*s", files[i], (int)len, at);
        }
    }
    for (const struct metrics_family *family = metrics_families(); family->name != NULL; family++) {
        if (!has_name(both.data, family->name))
            fail_msg("neither dashboard nor rules look at %s", family->name);
    }
    buf_free(&both);
}

static void a_ping_says_what_is_known(void **state)
{
    char body[512];

    (void)state;
    (void)snprintf(record.ended.id, sizeof(record.ended.id), "sp-1");
    (void)snprintf(record.set.id, sizeof(record.set.id), "sp-2"); /* made meanwhile */
    (void)snprintf(record.instance, sizeof(record.instance), "i-1");
    record.result = METRICS_SUCCESS;
    record.exit_code = 0;
    metrics_text_ended(&record, LABEL_APPLICATION, "db1", body, sizeof(body));
    assert_string_equal(body, "sp-1 on db1 i-1: success, exit code 0\nconsistency: application\n");

    record.result = METRICS_INTERRUPTED;
    record.exit_code = -1;
    (void)snprintf(record.why, sizeof(record.why), "it died");
    metrics_text_ended(&record, LABEL_UNCONFIRMED, "db1", body, sizeof(body));
    assert_string_equal(body, "sp-1 on db1 i-1: interrupted\nconsistency: none\nit died\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fact_is_a_line_in_base_units, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_value_can_not_break_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_never_was_is_0_or_absent_and_no_success, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_size_that_is_not_known_makes_no_sum, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ping_says_what_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_family_stands_together_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dashboard_and_rules_have_the_table_s_names, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
