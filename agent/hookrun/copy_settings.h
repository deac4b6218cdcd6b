/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_COPY_SETTINGS_H
#define STILLPOINT_COPY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/hookrun/copy_wire.h"

/* The settings of a private server that have to be the node's, since its files depend on them: what
 * a client may name in copy_msg_serve. Pure.
 *
 *   numbers  innodb_page_size, innodb_log_file_size, innodb_log_files_in_group,
 *            innodb_redo_log_capacity, innodb_undo_tablespaces, innodb_log_block_size,
 *            aria_log_file_size, aria_block_size, lower_case_table_names, server_id
 *   words    innodb_data_file_path, innodb_temp_data_file_path, innodb_directories,
 *            innodb_checksum_algorithm,
 *            innodb_file_format, innodb_fast_checksum, innodb_doublewrite, gtid_mode,
 *            enforce_gtid_consistency, log_slave_updates, log_replica_updates, binlog_format,
 *            binlog_checksum, character_set_server, collation_server,
 *            explicit_defaults_for_timestamp
 *   paths    innodb_data_home_dir, innodb_log_group_home_dir, innodb_undo_directory,
 *            innodb_doublewrite_dir, aria_log_dir_path, log_bin (the base of
 *            the binary logs' names; without it there is none), log_bin_index, relay_log
 *   engines  plugin_load_add: a storage engine out of the program's own folder, "ha_archive" */

enum copy_setting_kind {
    COPY_SETTING_NUMBER,
    COPY_SETTING_WORD,
    COPY_SETTING_PATH,
    COPY_SETTING_ENGINE,
};

enum { COPY_SETTINGS_MAX = 48 };

struct copy_setting {
    char text[COPY_PATH_BYTES]; /* "name=value", names with dashes */
    size_t value_at;            /* where in it the value begins */
    enum copy_setting_kind kind;
};

/* May NAME (underscores or dashes) be set? */
bool copy_setting_known(const char *name, size_t length, enum copy_setting_kind *ret_kind);

/* Reads lines "name=value\n"; numbers are digits, words [A-Za-z0-9_.:,;/+-], paths plain, absolute
 * and without . and .. in them.
 *   ret_list   COPY_SETTINGS_MAX of them
 *   false      *ret_bad is the line that is none, borrowed from TEXT, *ret_bytes long */
bool copy_settings_read(const char *text, struct copy_setting *ret_list, size_t *ret_count,
                        const char **ret_bad, size_t *ret_bytes);

#endif
