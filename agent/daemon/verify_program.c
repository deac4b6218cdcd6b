/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_program.h"

#include <stdio.h>
#include <string.h>

#include "hooks/db_choice.h"

enum { LINE_BYTES = 512, FOUND_BYTES = 160, SERIES = 100 /* 80036 is 8.0's */ };

/* "PATH<TAB> Ver 9.7.4-2 for Linux on x86_64 ((Debian))" */
static bool read_line(const char *line, size_t length, struct verify_program *ret_program,
                      struct db_version *ret_version)
{
    static const char mark[] = " Ver ";
    char text[LINE_BYTES];
    const char *tab = memchr(line, '\t', length);

    if (tab == NULL || length >= sizeof(text) || (size_t)(tab - line) >= sizeof(ret_program->path))
        return false;
    (void)snprintf(ret_program->path, sizeof(ret_program->path), "%.*s", (int)(tab - line), line);
    (void)snprintf(text, sizeof(text), "%.*s", (int)(line + length - tab - 1), tab + 1);
    const char *version = strstr(text, mark);
    if (version == NULL)
        return false;
    version += sizeof(mark) - 1;
    (void)snprintf(ret_program->version, sizeof(ret_program->version), "%.*s",
                   (int)strcspn(version, " "), version);
    return db_version_parse(ret_program->version, text, ret_version);
}

static enum verify_program_fit judge(const struct db_version *set, const struct db_version *found)
{
    bool mariadb = set->kind == DB_KIND_MARIADB;

    if (mariadb != (found->kind == DB_KIND_MARIADB) ||
        set->number / SERIES != found->number / SERIES)
        return VERIFY_PROGRAM_NONE;
    if (set->number == found->number)
        return VERIFY_PROGRAM_SAME;
    if (mariadb)
        return VERIFY_PROGRAM_FITS;
    return found->number > set->number ? VERIFY_PROGRAM_UNSURE : VERIFY_PROGRAM_NONE;
}

static void say_none(const char *recorded, const struct db_version *set, const char *found,
                     char *ret_why)
{
    const char *kind = db_kind_name(set->kind);

    (void)snprintf(ret_why, VERIFY_PROGRAM_WHY_BYTES,
                   "the set is of %s %.60s, and installed is %s: verify it on a node that has %s "
                   "%d.%d, or install that as well",
                   kind, recorded, found[0] != '\0' ? found : "nothing that tells its version",
                   kind, set->number / 10000, set->number / SERIES % SERIES);
}

enum verify_program_fit verify_program_pick(const char *lines, const char *recorded,
                                            struct verify_program *ret_program, char *ret_why)
{
    struct db_version set = {.kind = DB_KIND_MYSQL}, version;
    bool known = recorded != NULL && db_version_parse(recorded, "", &set);
    char found[FOUND_BYTES] = "";
    struct verify_program one;

    ret_program->fit = VERIFY_PROGRAM_NONE;
    for (const char *line = lines; *line != '\0';) {
        size_t length = strcspn(line, "\n"), len = strlen(found);
        if (read_line(line, length, &one, &version)) {
            (void)snprintf(found + len, sizeof(found) - len, "%s%s %.60s", len > 0 ? ", " : "",
                           db_kind_name(version.kind), one.version);
            one.mariadb = version.kind == DB_KIND_MARIADB;
            one.fit = known ? judge(&set, &version) : VERIFY_PROGRAM_UNSURE;
            if (one.fit > ret_program->fit)
                *ret_program = one;
        }
        line += length + (line[length] == '\n');
    }
    if (ret_program->fit == VERIFY_PROGRAM_NONE)
        say_none(known ? recorded : "a version that is not known", &set, found, ret_why);
    return ret_program->fit;
}
