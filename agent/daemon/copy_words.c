/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/copy_words.h"

#include <errno.h>
#include <string.h>

enum { WORDS_BYTES = 320 };

const char *copy_words_last(const char *text, size_t len, char *words, size_t size)
{
    size_t out = 0;

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    if (len >= size) {
        text += len - size + 1;
        len = size - 1;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char one = (unsigned char)text[i];
        words[out++] = one == '\n' ? '/' : one >= ' ' && one < 0x7f ? (char)one : '?';
    }
    words[out] = '\0';
    return words;
}

static bool tell_target(const struct copy_reply *reply, const char *words, struct err *err)
{
    static const char empty[] = "give --to an empty folder of root's";

    switch ((enum copy_status)reply->status) {
    case COPY_DEST_PATH:
        err_set(err, ERR_PRECONDITION, reply->os_errno, "the destination can't be reached%s%s",
                words[0] != '\0' ? ": " : "", words);
        return err_suggest(err, "%s",
                           reply->os_errno == ENOENT
                               ? "make that folder first"
                               : "give --to a folder by its full path, without links");
    case COPY_DEST_OWNER:
        err_set(err, ERR_PRECONDITION, 0, "the destination is not owned by root");
        return err_suggest(err, "%s", empty);
    case COPY_DEST_WRITABLE:
        err_set(err, ERR_PRECONDITION, 0, "the destination can be written by others than root");
        return err_suggest(err, "chmod go-w it");
    case COPY_DEST_MARKER:
        err_set(err, ERR_PRECONDITION, 0,
                "the destination has no " COPY_MARKER_NAME " of root's for this backup");
        return err_suggest(err, "run `stillpoint restore files` as root: it puts it there");
    case COPY_ABOVE_OWNER:
        err_set(err, ERR_PRECONDITION, 0, "%s, above the destination, is not owned by root", words);
        return err_suggest(err, "give --to a folder of root's below root's own, as in /root or "
                                "/var/tmp: who owns one above could put another in its place");
    case COPY_ABOVE_WRITABLE:
        err_set(err, ERR_PRECONDITION, 0,
                "%s, above the destination, can be written by others than root", words);
        return err_suggest(err,
                           "chmod go-w %s, or +t as /tmp is: they could put another folder in "
                           "its place",
                           words);
    default:
        err_set(err, ERR_PRECONDITION, 0, "the destination is not empty%s%s",
                words[0] != '\0' ? ": it has " : "", words);
        return err_suggest(err, "%s", empty);
    }
}

/* Bytes, or files where it is these that are too many. */
static bool tell_room(const struct copy_progress *room, const char *what, struct err *err)
{
    if (room->bytes_done < room->bytes_total)
        err_set(err, ERR_PRECONDITION, 0, "%s: %llu MiB are needed, %llu MiB are free", what,
                (unsigned long long)room->bytes_total >> 20,
                (unsigned long long)room->bytes_done >> 20);
    else
        err_set(err, ERR_PRECONDITION, 0, "%s: %llu files (inodes) are needed, %llu are free", what,
                (unsigned long long)room->files_total, (unsigned long long)room->files_done);
    return err_suggest(err, "make room in the destination, or name a larger one");
}

static bool tell_tool(const struct copy_reply *reply, const char *what, const char *words,
                      struct err *err)
{
    if (reply->signal != 0)
        return err_set(err, ERR_HOOK, 0, "%s: ended by signal %d: %s", what, (int)reply->signal,
                       words);
    return err_set(err, ERR_HOOK, 0, "%s: exit code %d: %s", what, (int)reply->code, words);
}

bool copy_words_refused(const struct copy_reply *reply, const char *what, struct err *err)
{
    char words[WORDS_BYTES];

    (void)copy_words_last(reply->data.text, reply->data_bytes, words, sizeof(words));
    switch ((enum copy_status)reply->status) {
    case COPY_BAD_MESSAGE:
        err_set(err, ERR_PROTOCOL, 0, "%s: the request was not understood", what);
        return err_suggest(err, "stillpointd and stillpoint-hook must be of one version");
    case COPY_PEER:
        err_set(err, ERR_HOOK, 0, "%s: we may not ask stillpoint-hook", what);
        return err_suggest(err, "run the daemon as the user stillpoint");
    case COPY_BAD_STATE:
    case COPY_BAD_ARGUMENT:
        return err_set(err, ERR_USAGE, 0, "%s: refused%s%s", what, words[0] != '\0' ? ": " : "",
                       words);
    case COPY_FULL:
        return err_set(err, ERR_LIMIT, 0, "%s: %s", what, words);
    case COPY_DEADLINE:
        return err_set(err, ERR_DEADLINE, 0, "%s: not done in time", what);
    case COPY_FAILED:
        return err_set(err, ERR_SYS, reply->os_errno, "%s: %s", what, words);
    case COPY_NO_TOOL:
        err_set(err, ERR_PRECONDITION, 0, "%s: %s is not installed", what, words);
        return err_suggest(err, "install it on the node that verifies");
    case COPY_WRONG_DEVICE:
        return err_set(err, ERR_PRECONDITION, 0, "%s: another device: %s", what, words);
    case COPY_IN_USE:
        err_set(err, ERR_BUSY, 0, "%s: the node uses %s", what, words);
        return err_suggest(err, "see `lsblk`: a new volume must be used by nobody");
    case COPY_UNREADABLE:
        return err_set(err, ERR_PRECONDITION, 0, "%s: %s can't be looked into", what,
                       words[0] != '\0' ? words : "what has no known signature");
    case COPY_NEEDED:
        err_set(err, ERR_LIMIT, 0, "%s: the session's own programs are there", what);
        return err_suggest(err,
                           "only a backup that has the node's / with it can be looked into there");
    case COPY_NO_FILE:
        return err_set(err, ERR_NOT_FOUND, 0, "%s: %s is not on the copy", what, words);
    case COPY_OUTSIDE:
        return err_set(err, ERR_PRECONDITION, 0, "%s: %s does not lie on the copy", what, words);
    case COPY_NO_ROOM:
        return tell_room(&reply->progress, what, err);
    case COPY_DEST_PATH:
    case COPY_DEST_OWNER:
    case COPY_DEST_WRITABLE:
    case COPY_DEST_MARKER:
    case COPY_DEST_FULL:
    case COPY_ABOVE_OWNER:
    case COPY_ABOVE_WRITABLE:
        return tell_target(reply, words, err);
    default: /* a tool, a server */
        return tell_tool(reply, what, words, err);
    }
}
