/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/copy_settings.h"

#include <ctype.h>
#include <string.h>

#include "agent/hookrun/hookrun_copy_rules.h"

static const struct {
    const char *name;
    enum copy_setting_kind kind;
} known[] = {
    {"innodb_page_size", COPY_SETTING_NUMBER},
    {"innodb_log_file_size", COPY_SETTING_NUMBER},
    {"innodb_log_files_in_group", COPY_SETTING_NUMBER},
    {"innodb_redo_log_capacity", COPY_SETTING_NUMBER},
    {"innodb_undo_tablespaces", COPY_SETTING_NUMBER},
    {"innodb_log_block_size", COPY_SETTING_NUMBER},
    {"aria_log_file_size", COPY_SETTING_NUMBER},
    {"aria_block_size", COPY_SETTING_NUMBER},
    {"lower_case_table_names", COPY_SETTING_NUMBER},
    {"server_id", COPY_SETTING_NUMBER},
    {"innodb_data_file_path", COPY_SETTING_WORD},
    {"innodb_temp_data_file_path", COPY_SETTING_WORD},
    {"innodb_directories", COPY_SETTING_WORD}, /* several; what is not on the copy is not found */
    {"innodb_checksum_algorithm", COPY_SETTING_WORD},
    {"innodb_file_format", COPY_SETTING_WORD},
    {"innodb_fast_checksum", COPY_SETTING_WORD},
    {"innodb_doublewrite", COPY_SETTING_WORD},
    {"gtid_mode", COPY_SETTING_WORD},
    {"enforce_gtid_consistency", COPY_SETTING_WORD},
    {"log_slave_updates", COPY_SETTING_WORD},
    {"log_replica_updates", COPY_SETTING_WORD},
    {"binlog_format", COPY_SETTING_WORD},
    {"binlog_checksum", COPY_SETTING_WORD},
    {"character_set_server", COPY_SETTING_WORD},
    {"collation_server", COPY_SETTING_WORD},
    {"explicit_defaults_for_timestamp", COPY_SETTING_WORD},
    {"innodb_data_home_dir", COPY_SETTING_PATH},
    {"innodb_log_group_home_dir", COPY_SETTING_PATH},
    {"innodb_undo_directory", COPY_SETTING_PATH},
    {"innodb_doublewrite_dir", COPY_SETTING_PATH},
    {"aria_log_dir_path", COPY_SETTING_PATH},
    {"log_bin", COPY_SETTING_PATH},
    {"log_bin_index", COPY_SETTING_PATH},
    {"relay_log", COPY_SETTING_PATH},
    {"plugin_load_add", COPY_SETTING_ENGINE},
};

static bool is_same_name(const char *ours, const char *name, size_t length)
{
    if (strlen(ours) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (ours[i] != name[i] && !(ours[i] == '_' && name[i] == '-'))
            return false;
    return true;
}

bool copy_setting_known(const char *name, size_t length, enum copy_setting_kind *ret_kind)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (is_same_name(known[i].name, name, length)) {
            *ret_kind = known[i].kind;
            return true;
        }
    return false;
}

static bool is_good_value(const char *value, enum copy_setting_kind kind)
{
    static const char in_words[] = "_.:,;/+-";
    size_t length = strlen(value);

    if (kind == COPY_SETTING_PATH)
        return copy_rules_is_plain(value);
    if (kind == COPY_SETTING_ENGINE)
        return strncmp(value, "ha_", 3) == 0 && value[3] != '\0' &&
               value[3 + strspn(value + 3, "abcdefghijklmnopqrstuvwxyz")] == '\0';
    if (length == 0 || (kind == COPY_SETTING_NUMBER && length > 20))
        return false;
    for (size_t i = 0; i < length; i++) {
        unsigned char one = (unsigned char)value[i];
        if (!isdigit(one) &&
            (kind == COPY_SETTING_NUMBER || (!isalpha(one) && strchr(in_words, one) == NULL)))
            return false;
    }
    return true;
}

/* LINE is LENGTH bytes long, without its newline. */
static bool read_line(const char *line, size_t length, struct copy_setting *ret_one)
{
    const char *equals = memchr(line, '=', length);

    if (equals == NULL || length >= sizeof(ret_one->text))
        return false;
    size_t name_bytes = (size_t)(equals - line);
    if (!copy_setting_known(line, name_bytes, &ret_one->kind))
        return false;
    memcpy(ret_one->text, line, length);
    ret_one->text[length] = '\0';
    for (size_t i = 0; i < name_bytes; i++)
        if (ret_one->text[i] == '_')
            ret_one->text[i] = '-';
    ret_one->value_at = name_bytes + 1;
    return is_good_value(ret_one->text + ret_one->value_at, ret_one->kind);
}

bool copy_settings_read(const char *text, struct copy_setting *ret_list, size_t *ret_count,
                        const char **ret_bad, size_t *ret_bytes)
{
    size_t count = 0;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (count == COPY_SETTINGS_MAX || text[length] != '\n' ||
            !read_line(text, length, &ret_list[count])) {
            *ret_bad = text;
            *ret_bytes = length;
            return false;
        }
        count++;
        text += length + 1;
    }
    *ret_count = count;
    return true;
}
