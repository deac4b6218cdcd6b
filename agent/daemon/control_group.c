/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/daemon/control_group.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_BYTES = 16 * 1024, USER_BYTES = 64 };

/* Who we are, for a command line. */
static const char *own_name(char user[USER_BYTES])
{
    struct passwd entry, *found = NULL;
    char room[ENTRY_BYTES];

    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found != NULL)
        (void)snprintf(user, USER_BYTES, "%s", found->pw_name);
    else
        (void)snprintf(user, USER_BYTES, "%u", (unsigned)geteuid());
    return user;
}

bool control_group_find(const char *name, gid_t *ret_group, struct err *err)
{
    struct group entry, *found = NULL;
    char room[ENTRY_BYTES], user[USER_BYTES];

    int failed = getgrnam_r(name, &entry, room, sizeof(room), &found);
    if (failed == 0 && found != NULL) {
        *ret_group = found->gr_gid;
        return true;
    }
    (void)err_set(err, ERR_CONFIG, failed, "[daemon] group: there is no group %s", name);
    (void)err_wrap(err, "nobody but root can use the control socket");
    return err_suggest(err,
                       "groupadd --system %s && usermod -aG %s %s, then systemctl restart "
                       "stillpointd",
                       name, name, own_name(user));
}

static bool not_given(const char *name, int os_errno, struct err *err)
{
    char user[USER_BYTES];

    (void)own_name(user);
    if (os_errno == 0 || os_errno == EPERM)
        (void)err_set(err, ERR_CONFIG, 0,
                      "[daemon] group: the control socket is not %s's, of which user %s was no "
                      "member when the daemon started",
                      name, user);
    else
        (void)err_set(err, ERR_CONFIG, os_errno, "[daemon] group: give the control socket to %s",
                      name);
    return err_suggest(err, "usermod -aG %s %s, then systemctl restart stillpointd", name, user);
}

bool control_group_give(const char *name, gid_t group, const char *socket_path, struct err *err)
{
    return chown(socket_path, (uid_t)-1, group) == 0 || not_given(name, errno, err);
}

bool control_group_check(const char *name, const char *socket_path, struct err *err)
{
    struct stat info;
    gid_t group;

    if (!control_group_find(name, &group, err))
        return false;
    if (stat(socket_path, &info) != 0)
        return err_set(err, ERR_SYS, errno, "%s", socket_path);
    return info.st_gid == group || not_given(name, 0, err);
}
