/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STILLPOINT_CLI_TABLE_H
#define STILLPOINT_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/base/pool.h"
#include "agent/cli/cli_page.h"

/* Aligned columns on a page. Columns that have no value in any row are left out. A text that comes
 * again (a node, a state, a date) costs no more than its cell. */

enum { CLI_TABLE_COLUMNS_MAX = 12 };

struct cli_cell {
    const char *text; /* clean, in the pool; NULL: no value */
    enum cli_style style;
};

struct cli_table {
    struct cli_page *page;
    const char *titles[CLI_TABLE_COLUMNS_MAX]; /* one that begins with '>' is set to the right */
    size_t column_count;
    struct cli_cell *cells; /* row after row */
    size_t cell_count, cell_room;
    struct pool texts;
};

/* TITLES ends with NULL and stays the caller's. The table ends with cli_table_end. */
void cli_table_begin(struct cli_table *table, struct cli_page *page, const char *const *titles);
/* The next cell of the row, the next row after the last. THEIRS may come from outside; NULL or "":
 * no value. A failure breaks the page. */
void cli_table_add(struct cli_table *table, const char *theirs);
void cli_table_add_styled(struct cli_table *table, const char *theirs, enum cli_style style);
void cli_table_printf(struct cli_table *table, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Drops what was not put on a page. Idempotent. */
void cli_table_free(struct cli_table *table);
/* Puts it on the page, INDENT blanks in front of each line, and frees it. */
void cli_table_end(struct cli_table *table, int indent);

#endif
