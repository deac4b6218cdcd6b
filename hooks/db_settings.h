/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_DB_SETTINGS_H
#define STILLPOINT_DB_SETTINGS_H

#include "hooks/db.h"

/* Those of a server's settings that its files depend on: a server on a copy of them needs the same
 * (agent/hookrun/copy_settings.h takes no others). Pure. */

/* The names, each in quotes, for SHOW GLOBAL VARIABLES WHERE Variable_name IN (…). */
#define DB_SETTINGS_NAMES                                                                          \
    "'aria_block_size', 'aria_log_dir_path', 'aria_log_file_size', 'binlog_checksum', "            \
    "'binlog_format', 'character_set_server', 'collation_server', 'enforce_gtid_consistency', "    \
    "'explicit_defaults_for_timestamp', 'gtid_mode', 'innodb_checksum_algorithm', "                \
    "'innodb_data_file_path', 'innodb_data_home_dir', 'innodb_directories', "                      \
    "'innodb_doublewrite_dir', 'innodb_log_block_size', 'innodb_log_file_size', "                  \
    "'innodb_log_files_in_group', 'innodb_log_group_home_dir', 'innodb_page_size', "               \
    "'innodb_redo_log_capacity', 'innodb_undo_directory', 'innodb_undo_tablespaces', 'log_bin', "  \
    "'log_bin_basename', 'log_bin_index', 'log_replica_updates', 'log_slave_updates', "            \
    "'lower_case_table_names', 'server_id'"

/* Lines "name=value\n", paths made absolute below DATADIR; what is empty is left out, as is the
 * binary log where there is none.
 *   ret_text  given to the caller (free)
 *   false     ERR_INTERNAL; ERR_LIMIT: more than a record takes */
bool db_settings_text(const char *datadir, const struct db_rows *variables, char **ret_text,
                      struct err *err);

#endif
