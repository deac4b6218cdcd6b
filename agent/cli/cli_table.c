/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/cli/cli_table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/auto.h"

void cli_table_begin(struct cli_table *table, struct cli_page *page, const char *const *titles)
{
    memset(table, 0, sizeof(*table));
    table->page = page;
    for (; titles[table->column_count] != NULL && table->column_count < CLI_TABLE_COLUMNS_MAX;
         table->column_count++)
        table->titles[table->column_count] = titles[table->column_count];
}

static bool make_room(struct cli_table *table)
{
    if (table->cell_count < table->cell_room)
        return true;
    size_t room = table->cell_room ? table->cell_room * 2 : 64;
    struct cli_cell *cells = reallocarray(table->cells, room, sizeof(*cells));
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->cell_room = room;
    return true;
}

void cli_table_add_styled(struct cli_table *table, const char *theirs, enum cli_style style)
{
    AUTO_BUF struct buf clean = BUF_INIT(CLI_PAGE_BYTES_MAX);
    struct err err = ERR_INIT;
    bool given = theirs != NULL && theirs[0] != '\0';
    const char *text = NULL;

    if (!make_room(table) ||
        (given && (!cli_clean(&clean, theirs, table->page->look.unicode, &err) ||
                   !pool_text(&table->texts, buf_text(&clean), &text, &err)))) {
        table->page->broken = true;
        return;
    }
    table->cells[table->cell_count++] = (struct cli_cell){text, style};
}

void cli_table_add(struct cli_table *table, const char *theirs)
{
    cli_table_add_styled(table, theirs, CLI_PLAIN);
}

void cli_table_printf(struct cli_table *table, const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        text = NULL;
        table->page->broken = true;
    }
    va_end(args);
    cli_table_add(table, text);
}

struct layout {
    int width[CLI_TABLE_COLUMNS_MAX];
    bool shown[CLI_TABLE_COLUMNS_MAX];
    size_t last; /* the last shown column: nothing is padded behind it */
};

static const char *title_text(const char *title)
{
    return title[0] == '>' ? title + 1 : title;
}

static void measure(const struct cli_table *table, struct layout *layout)
{
    memset(layout, 0, sizeof(*layout));
    for (size_t i = 0, next = 0; i < table->cell_count; i++) {
        size_t column = next;
        next = next + 1 < table->column_count ? next + 1 : 0;
        if (table->cells[i].text == NULL)
            continue;
        int width = cli_columns(table->cells[i].text);
        layout->shown[column] = true;
        if (width > layout->width[column])
            layout->width[column] = width;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        int width = cli_columns(title_text(table->titles[i]));
        if (width > layout->width[i])
            layout->width[i] = width;
        if (layout->shown[i])
            layout->last = i;
    }
}

static void put_cell(struct cli_table *table, const struct layout *layout, size_t column,
                     const char *text, enum cli_style style)
{
    struct cli_page *page = table->page;
    int pad = layout->width[column] - cli_columns(text);
    bool right = table->titles[column][0] == '>';

    if (right)
        cli_page_printf(page, "%*s", pad, "");
    if (style != CLI_PLAIN)
        cli_page_style(page, style);
    cli_page_text(page, text);
    if (style != CLI_PLAIN)
        cli_page_style(page, CLI_PLAIN);
    if (column == layout->last)
        cli_page_text(page, "\n");
    else
        cli_page_printf(page, "%*s", right ? 2 : pad + 2, "");
}

void cli_table_free(struct cli_table *table)
{
    pool_free(&table->texts);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = table->cell_room = 0;
}

void cli_table_end(struct cli_table *table, int indent)
{
    struct layout layout;
    size_t columns = table->column_count;

    measure(table, &layout);
    for (size_t i = 0; i < columns; i++) {
        if (i == 0)
            cli_page_printf(table->page, "%*s", indent, "");
        if (layout.shown[i])
            put_cell(table, &layout, i, title_text(table->titles[i]), CLI_DIM);
    }
    for (size_t i = 0, column = 0; i < table->cell_count; i++) {
        const struct cli_cell *cell = &table->cells[i];
        if (column == 0)
            cli_page_printf(table->page, "%*s", indent, "");
        if (layout.shown[column])
            put_cell(table, &layout, column, cell->text ? cell->text : "-", cell->style);
        column = column + 1 < columns ? column + 1 : 0;
    }
    cli_table_free(table);
}
