/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/verify_message.h"

#include <string.h>
#include <strings.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* Whole phrases of the servers, here and below: a word of them may be in a table's name. */
static bool starts(const char *text, const char *phrase)
{
    return strncasecmp(text, phrase, strlen(phrase)) == 0;
}

static bool starts_any(const char *text, const char *const *phrases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (starts(text, phrases[i]))
            return true;
    }
    return false;
}

static bool says_closed(const char *text)
{
    static const char *const first[] = {"Unknown storage engine '",
                                        "Can't find master key from keyring"};
    static const char *const within[] = {
        "Table encrypted but decryption failed.",
        " is encrypted but encryption service or used key_id ",
        " encrypted.However key management plugin or used key_id ",
    }; /* MariaDB's, in the midst of others */

    for (size_t i = 0; i < COUNT(within); i++) {
        if (strcasestr(text, within[i]) != NULL)
            return true;
    }
    return starts_any(text, first, COUNT(first));
}

/* Errors that are none of the data. */
static bool says_usable(const char *text)
{
    static const char *const first[] = {"Table upgrade required.", "Upgrade required.",
                                        "Table rebuild required.",
                                        "The storage engine for the table doesn't support "};

    return starts_any(text, first, COUNT(first));
}

/* What comes after the reason where a table could not be opened. */
static bool says_unopened(const char *text)
{
    static const char *const first[] = {"Tablespace is missing for table ",
                                        "Operation cannot be performed. The table '"};

    return strcasecmp(text, "Corrupt") == 0 || strcasecmp(text, "Operation failed") == 0 ||
           starts_any(text, first, COUNT(first)) ||
           (starts(text, "Table '") && strcasestr(text, "' doesn't exist") != NULL);
}

enum verify_message verify_message_judge(const char *type, const char *text, bool application)
{
    if (says_closed(text))
        return VERIFY_MESSAGE_CLOSED;
    if (strcasecmp(text, "OK") == 0 || strcasecmp(text, "Table is already up to date") == 0)
        return VERIFY_MESSAGE_GOOD;
    if (strcasecmp(type, "note") == 0 || strcasecmp(type, "info") == 0 || says_usable(text))
        return VERIFY_MESSAGE_REMARK;
    /* A warning with "OK" behind it is about rows, not about files; but for a table that was open
     * when the instant came, which a held one can't have been. */
    if (strcasecmp(type, "warning") == 0 &&
        (!application || (strcasestr(text, "crashed") == NULL && strcasestr(text, "clos") == NULL)))
        return VERIFY_MESSAGE_REMARK;
    return VERIFY_MESSAGE_FAULT;
}

/*   unopened  whether to count what only says that it could not be opened */
static enum verify_message worst_of(const struct db_rows *rows, bool application, bool unopened,
                                    size_t *ret_row)
{
    enum verify_message worst = VERIFY_MESSAGE_GOOD;

    *ret_row = 0;
    for (size_t i = 0; i < rows->row_count; i++) {
        const char *type = db_rows_get(rows, i, "Msg_type"),
                   *text = db_rows_get(rows, i, "Msg_text");
        if (type == NULL || text == NULL || (!unopened && says_unopened(text)))
            continue;
        enum verify_message message = verify_message_judge(type, text, application);
        if (message > worst) {
            worst = message;
            *ret_row = i;
        }
    }
    return worst;
}

enum verify_message verify_message_whole(const struct db_rows *rows, bool application,
                                         size_t *ret_row)
{
    if (worst_of(rows, application, false, ret_row) == VERIFY_MESSAGE_CLOSED)
        return VERIFY_MESSAGE_CLOSED;
    return worst_of(rows, application, true, ret_row);
}
