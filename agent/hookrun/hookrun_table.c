/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/hookrun/hookrun_table.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { LINE_BYTES = 8192, PARTITIONS_MAX = 128 };

/* --- the mount table ------------------------------------------------------------------------ */

/* "259:1" (in BASE) and nothing but a blank behind it. */
static bool read_device(const char *text, int base, uint32_t *ret_major, uint32_t *ret_minor)
{
    char *end = NULL;

    if (text == NULL || isxdigit((unsigned char)text[0]) == 0)
        return false;
    *ret_major = (uint32_t)strtoul(text, &end, base);
    if (end[0] != ':' || isxdigit((unsigned char)end[1]) == 0)
        return false;
    *ret_minor = (uint32_t)strtoul(end + 1, &end, base);
    return end[0] == '\0' || isspace((unsigned char)end[0]) != 0;
}

/* The N-th word (from 0) of a line of the kernel's; "" where it has fewer. */
static const char *nth_word(const char *line, int n)
{
    line += strspn(line, " ");
    for (; n > 0 && *line != '\0'; n--) {
        line += strcspn(line, " ");
        line += strspn(line, " ");
    }
    return line;
}

/* "\040" and the like, in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static bool keep(char *to, size_t bytes, char *word)
{
    if (word == NULL)
        return false;
    unescape(word);
    return (size_t)snprintf(to, bytes, "%s", word) < bytes;
}

/* proc_pid_mountinfo(5): ID PARENT MAJ:MIN ROOT PATH OPTIONS TAG… - TYPE SOURCE SUPER */
bool hookrun_table_line(char *line, struct hookrun_mount_entry *ret_entry)
{
    char *rest = line, *words[6] = {NULL}, *word;

    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 6; i++)
        words[i] = strsep(&rest, " ");
    do
        word = strsep(&rest, " ");
    while (word != NULL && strcmp(word, "-") != 0);
    char *type = strsep(&rest, " ");
    (void)strsep(&rest, " ");
    char *super = strsep(&rest, " ");
    if (super == NULL || words[5] == NULL ||
        !read_device(words[2], 10, &ret_entry->dev_major, &ret_entry->dev_minor))
        return false;
    int length = snprintf(ret_entry->options, sizeof(ret_entry->options), "%s,%s", words[5], super);
    return length > 0 && (size_t)length < sizeof(ret_entry->options) &&
           keep(ret_entry->root, sizeof(ret_entry->root), words[3]) &&
           keep(ret_entry->path, sizeof(ret_entry->path), words[4]) &&
           keep(ret_entry->type, sizeof(ret_entry->type), type);
}

static bool is_at(const struct hookrun_mount_entry *entry, const void *path)
{
    return strcmp(entry->path, path) == 0;
}

static bool shows(const struct hookrun_mount_entry *entry, const void *part)
{
    const struct hookrun_mount_entry *wanted = part;
    size_t len = strcmp(entry->root, "/") == 0 ? 0 : strlen(entry->root);

    return entry->dev_major == wanted->dev_major && entry->dev_minor == wanted->dev_minor &&
           strncmp(entry->root, wanted->root, len) == 0 &&
           (wanted->root[len] == '/' || wanted->root[len] == '\0');
}

/* The last line that fits: what is mounted over another comes behind it. */
static bool find_last(bool (*fits)(const struct hookrun_mount_entry *, const void *),
                      const void *wanted, struct hookrun_mount_entry *ret_entry)
{
    FILE *table = fopen("/proc/self/mountinfo", "re");
    static char line[LINE_BYTES];
    static struct hookrun_mount_entry entry;
    bool found = false;

    while (table != NULL && fgets(line, sizeof(line), table) != NULL) {
        if (hookrun_table_line(line, &entry) && fits(&entry, wanted)) {
            *ret_entry = entry;
            found = true;
        }
    }
    if (table != NULL)
        (void)fclose(table);
    return found;
}

bool hookrun_table_at(const char *path, struct hookrun_mount_entry *ret_entry)
{
    return find_last(is_at, path, ret_entry);
}

bool hookrun_table_showing(uint32_t dev_major, uint32_t dev_minor, const char *root,
                           struct hookrun_mount_entry *ret_entry)
{
    static struct hookrun_mount_entry wanted;

    wanted.dev_major = dev_major;
    wanted.dev_minor = dev_minor;
    return (size_t)snprintf(wanted.root, sizeof(wanted.root), "%s", root) < sizeof(wanted.root) &&
           find_last(shows, &wanted, ret_entry);
}

/* --- who is in the way ---------------------------------------------------------------------- */

static void add_holder(struct mount_reply *reply, int pid, const char *name)
{
    if (reply->holder_count < MOUNT_HOLDERS_MAX) {
        struct mount_holder *holder = &reply->holders[reply->holder_count];
        holder->pid = pid;
        (void)snprintf(holder->name, sizeof(holder->name), "%.*s", MOUNT_NAME_BYTES - 1, name);
    }
    reply->holder_count++;
}

static void add_process(struct mount_reply *reply, int pid)
{
    char path[64], name[MOUNT_NAME_BYTES] = "?";

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    if (file != NULL && fgets(name, sizeof(name), file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    if (file != NULL)
        (void)fclose(file);
    add_holder(reply, pid, name);
}

/* Without asking a network filesystem's server, which may be away. */
static bool lies_on(int folder, const char *name, dev_t device)
{
    struct statx st;

    return statx(folder, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) == 0 &&
           makedev(st.stx_dev_major, st.stx_dev_minor) == device;
}

static bool has_open(int process, dev_t device)
{
    int folder = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = folder >= 0 ? fdopendir(folder) : NULL;
    bool found = false;

    if (list == NULL && folder >= 0)
        (void)close(folder);
    for (const struct dirent *one; list != NULL && !found && (one = readdir(list)) != NULL;)
        found = one->d_name[0] != '.' && lies_on(dirfd(list), one->d_name, device);
    if (list != NULL)
        (void)closedir(list);
    return found;
}

/* A file of PROCESS's folder in /proc; NULL where it can't be read. */
static FILE *open_in(int process, const char *name)
{
    int fd = openat(process, name, O_RDONLY | O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "re") : NULL;

    if (file == NULL && fd >= 0)
        (void)close(fd);
    return file;
}

static bool has_mapped(int process, dev_t device)
{
    FILE *file = open_in(process, "maps");
    static char line[LINE_BYTES];
    uint32_t major_number, minor_number;
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = read_device(nth_word(line, 3), 16, &major_number, &minor_number) &&
                makedev(major_number, minor_number) == device;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static bool uses(int process, dev_t device)
{
    return lies_on(process, "cwd", device) || lies_on(process, "root", device) ||
           lies_on(process, "exe", device) || has_open(process, device) ||
           has_mapped(process, device);
}

struct disk {
    uint32_t majors[PARTITIONS_MAX], minors[PARTITIONS_MAX]; /* itself, then its partitions */
    size_t count;
};

static bool shows_disk(int process, const struct disk *disk)
{
    FILE *file = open_in(process, "mountinfo");
    static char line[LINE_BYTES];
    uint32_t major_number, minor_number;
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        if (!read_device(nth_word(line, 2), 10, &major_number, &minor_number))
            continue;
        for (size_t i = 0; i < disk->count; i++)
            found = found || (disk->majors[i] == major_number && disk->minors[i] == minor_number);
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* Every process for which LOOK says so. */
static void add_processes(bool (*look)(int process, const void *what), const void *what,
                          struct mount_reply *reply)
{
    DIR *list = opendir("/proc");

    for (const struct dirent *one; list != NULL && (one = readdir(list)) != NULL;) {
        if (isdigit((unsigned char)one->d_name[0]) == 0)
            continue;
        int process = openat(dirfd(list), one->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
            continue; /* it has ended */
        if (look(process, what))
            add_process(reply, (int)strtol(one->d_name, NULL, 10));
        (void)close(process);
    }
    if (list != NULL)
        (void)closedir(list);
}

static bool look_for_use(int process, const void *device)
{
    return uses(process, *(const dev_t *)device);
}

static bool look_for_disk(int process, const void *disk)
{
    return shows_disk(process, disk);
}

/* Loop devices over files below PATH. */
static void add_loops(const char *path, struct mount_reply *reply)
{
    DIR *list = opendir("/sys/block");
    size_t len = strlen(path);
    char name[300], file[PATH_MAX];

    for (const struct dirent *one; list != NULL && (one = readdir(list)) != NULL;) {
        (void)snprintf(name, sizeof(name), "/sys/block/%s/loop/backing_file", one->d_name);
        FILE *text = strncmp(one->d_name, "loop", 4) == 0 ? fopen(name, "re") : NULL;
        if (text == NULL)
            continue;
        if (fgets(file, sizeof(file), text) != NULL && strncmp(file, path, len) == 0 &&
            file[len] == '/')
            add_holder(reply, 0, one->d_name);
        (void)fclose(text);
    }
    if (list != NULL)
        (void)closedir(list);
}

void hookrun_table_users(const char *path, struct mount_reply *reply)
{
    struct stat st;

    if (stat(path, &st) == 0)
        add_processes(look_for_use, &st.st_dev, reply);
    add_loops(path, reply);
}

static void add_number(const char *folder, struct disk *disk)
{
    char path[PATH_MAX], text[40];
    uint32_t major_number, minor_number;

    (void)snprintf(path, sizeof(path), "%s/dev", folder);
    FILE *file = disk->count < PARTITIONS_MAX ? fopen(path, "re") : NULL;
    if (file != NULL && fgets(text, sizeof(text), file) != NULL &&
        read_device(text, 10, &major_number, &minor_number)) {
        disk->majors[disk->count] = major_number;
        disk->minors[disk->count++] = minor_number;
    }
    if (file != NULL)
        (void)fclose(file);
}

static void add_stacked(const char *folder, struct mount_reply *reply)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/holders", folder);
    DIR *list = opendir(path);
    for (const struct dirent *one; list != NULL && (one = readdir(list)) != NULL;)
        if (one->d_name[0] != '.')
            add_holder(reply, 0, one->d_name);
    if (list != NULL)
        (void)closedir(list);
}

static void add_swap(const struct disk *disk, struct mount_reply *reply)
{
    FILE *file = fopen("/proc/swaps", "re");
    char line[PATH_MAX + 100];
    struct stat st;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, " \t\n")] = '\0';
        if (line[0] != '/' || stat(line, &st) != 0 || !S_ISBLK(st.st_mode))
            continue;
        for (size_t i = 0; i < disk->count; i++)
            if (makedev(disk->majors[i], disk->minors[i]) == st.st_rdev)
                add_holder(reply, 0, "swap");
    }
    if (file != NULL)
        (void)fclose(file);
}

void hookrun_table_keepers(uint32_t dev_major, uint32_t dev_minor, struct mount_reply *reply)
{
    char folder[64], path[PATH_MAX];
    static struct disk disk;

    memset(&disk, 0, sizeof(disk));
    (void)snprintf(folder, sizeof(folder), "/sys/dev/block/%u:%u", dev_major, dev_minor);
    add_number(folder, &disk);
    add_stacked(folder, reply);
    DIR *list = opendir(folder);
    for (const struct dirent *one; list != NULL && (one = readdir(list)) != NULL;) {
        (void)snprintf(path, sizeof(path), "%s/%s/partition", folder, one->d_name);
        if (one->d_name[0] == '.' || access(path, F_OK) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, one->d_name);
        add_number(path, &disk);
        add_stacked(path, reply);
    }
    if (list != NULL)
        (void)closedir(list);
    add_swap(&disk, reply);
    add_processes(look_for_disk, &disk, reply);
}
