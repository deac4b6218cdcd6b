/* SPDX-License-Identifier: BSD-2-Clause */
/* The floor of the pause: what no tool can do without, and nothing else. Lock (BACKUP STAGE),
 * freeze, one signed CreateSnapshots exchange on a connection that is open, thaw, unlock.
 *
 *   floor --socket MYSQLD.SOCK --endpoint URL --region R --ca FILE --instance I MOUNT...
 *
 * Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. MOUNTs are frozen in the order given.
 * It has no lease, no twin, no proof and no deadline: run it only with an independent thaw armed.
 * None of Stillpoint's code is in it, so that a slowness of ours can't hide in the floor, too.
 * Prints one line of JSON, times in milliseconds. Exit 1 with nothing left held where a step fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <mysql.h>

enum { MOUNTS_MAX = 32, BODY_BYTES = 1024 };

struct options {
    const char *socket, *endpoint, *region, *ca, *instance;
};

struct floor {
    struct options options;
    MYSQL *db;
    CURL *curl;
    struct curl_slist *headers;
    char curl_error[CURL_ERROR_SIZE];
    int mounts[MOUNTS_MAX];
    int mount_count;
    int frozen_count; /* of mounts, from the first */
    int rcu_fd;       /* -1: not there */
};

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool complain(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    return false;
}

static bool sql(struct floor *floor, const char *text)
{
    return mysql_query(floor->db, text) == 0 || complain(text, mysql_error(floor->db));
}

static size_t swallow(char *bytes, size_t size, size_t count, void *unused)
{
    (void)bytes, (void)unused;
    return size * count;
}

/* One exchange; the first, a dry run, opens the connection. */
static bool exchange(struct floor *floor, bool dry_run)
{
    char body[BODY_BYTES];
    long status = 0;

    (void)snprintf(body, sizeof(body),
                   "Action=CreateSnapshots&Version=2016-11-15&InstanceSpecification.InstanceId=%s"
                   "&Description=floor&TagSpecification.1.ResourceType=snapshot"
                   "&TagSpecification.1.Tag.1.Key=bench&TagSpecification.1.Tag.1.Value=floor%s",
                   floor->options.instance, dry_run ? "&DryRun=true" : "");
    (void)curl_easy_setopt(floor->curl, CURLOPT_COPYPOSTFIELDS, body);
    CURLcode code = curl_easy_perform(floor->curl);
    if (code != CURLE_OK)
        return complain("CreateSnapshots",
                        floor->curl_error[0] ? floor->curl_error : curl_easy_strerror(code));
    (void)curl_easy_getinfo(floor->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != (dry_run ? 412 : 200)) {
        fprintf(stderr, "floor: CreateSnapshots: HTTP %ld\n", status);
        return false;
    }
    return true;
}

static bool open_connection(struct floor *floor)
{
    char keys[512], rules[128];
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");

    floor->curl = curl_easy_init();
    if (floor->curl == NULL || id == NULL || secret == NULL)
        return complain("curl", "no handle, or no keys in the environment");
    (void)snprintf(keys, sizeof(keys), "%s:%s", id, secret);
    (void)snprintf(rules, sizeof(rules), "aws:amz:%s:ec2", floor->options.region);
    floor->headers =
        curl_slist_append(NULL, "Content-Type: application/x-www-form-urlencoded; charset=utf-8");
    (void)curl_easy_setopt(floor->curl, CURLOPT_URL, floor->options.endpoint);
    (void)curl_easy_setopt(floor->curl, CURLOPT_CAINFO, floor->options.ca);
    (void)curl_easy_setopt(floor->curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(floor->curl, CURLOPT_USERPWD, keys);
    (void)curl_easy_setopt(floor->curl, CURLOPT_AWS_SIGV4, rules);
    (void)curl_easy_setopt(floor->curl, CURLOPT_HTTPHEADER, floor->headers);
    (void)curl_easy_setopt(floor->curl, CURLOPT_WRITEFUNCTION, swallow);
    (void)curl_easy_setopt(floor->curl, CURLOPT_ERRORBUFFER, floor->curl_error);
    (void)curl_easy_setopt(floor->curl, CURLOPT_TIMEOUT, 20L);
    return exchange(floor, true);
}

static bool open_database(struct floor *floor)
{
    floor->db = mysql_init(NULL);
    if (floor->db == NULL || mysql_real_connect(floor->db, NULL, "root", NULL, NULL, 0,
                                                floor->options.socket, 0) == NULL)
        return complain("connect", floor->db ? mysql_error(floor->db) : "memory");
    return sql(floor, "SET SESSION lock_wait_timeout = 2, wait_timeout = 30") &&
           sql(floor, "BACKUP STAGE START");
}

static bool open_mounts(struct floor *floor, int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        if (i == MOUNTS_MAX)
            return complain(paths[i], "too many mounts");
        int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return complain(paths[i], strerror(errno));
        floor->mounts[floor->mount_count++] = fd;
        (void)syncfs(fd); /* so that little is dirty when it is frozen; twice: the first was long */
        (void)syncfs(fd);
    }
    floor->rcu_fd = open("/sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC);
    return true;
}

static bool freeze(struct floor *floor)
{
    char before[8] = "0\n";
    ssize_t got = floor->rcu_fd < 0 ? -1 : pread(floor->rcu_fd, before, sizeof(before) - 1, 0);

    if (got > 0)
        (void)!pwrite(floor->rcu_fd, "1", 1, 0);
    while (floor->frozen_count < floor->mount_count &&
           ioctl(floor->mounts[floor->frozen_count], FIFREEZE, 0) == 0)
        floor->frozen_count++;
    int failure = errno;
    if (got > 0)
        (void)!pwrite(floor->rcu_fd, before, (size_t)got, 0);
    return floor->frozen_count == floor->mount_count || complain("FIFREEZE", strerror(failure));
}

static bool thaw(struct floor *floor)
{
    bool ok = true;

    while (floor->frozen_count > 0) {
        if (ioctl(floor->mounts[--floor->frozen_count], FITHAW, 0) != 0)
            ok = complain("FITHAW", strerror(errno));
    }
    return ok;
}

static bool lock(struct floor *floor)
{
    return sql(floor, "BACKUP STAGE FLUSH") && sql(floor, "BACKUP STAGE BLOCK_DDL") &&
           sql(floor, "BACKUP STAGE BLOCK_COMMIT");
}

static int run(struct floor *floor)
{
    double begin = now_ms(), locked, frozen = 0, answered = 0, thawed;
    bool ok = lock(floor);

    locked = now_ms();
    if (ok) {
        ok = freeze(floor);
        frozen = now_ms();
        ok = ok && exchange(floor, false);
        answered = now_ms();
    }
    ok = thaw(floor) && ok;
    thawed = now_ms();
    ok = sql(floor, "BACKUP STAGE END") && ok;
    double end = now_ms();
    if (!ok)
        return 1;
    printf("{\"begin_us\": %.0f, \"end_us\": %.0f, \"lock\": %.3f, \"freeze\": %.3f, "
           "\"exchange\": %.3f, \"thaw\": %.3f, \"unlock\": %.3f, \"hold\": %.3f}\n",
           begin * 1e3, end * 1e3, locked - begin, frozen - locked, answered - frozen,
           thawed - answered, end - thawed, end - begin);
    return 0;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"socket", required_argument, NULL, 's'},   {"endpoint", required_argument, NULL, 'e'},
        {"region", required_argument, NULL, 'r'},   {"ca", required_argument, NULL, 'c'},
        {"instance", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (letter) {
        case 's':
            options->socket = optarg;
            break;
        case 'e':
            options->endpoint = optarg;
            break;
        case 'r':
            options->region = optarg;
            break;
        case 'c':
            options->ca = optarg;
            break;
        case 'i':
            options->instance = optarg;
            break;
        default:
            return false;
        }
    }
    return options->socket && options->endpoint && options->region && options->ca &&
           options->instance && optind < argc;
}

int main(int argc, char **argv)
{
    struct floor floor = {.rcu_fd = -1};

    if (!read_options(argc, argv, &floor.options)) {
        fprintf(stderr, "floor: wrong usage (see the head of tests/bench/floor.c)\n");
        return 2;
    }
    /* The process ends here in any case: its connections and descriptors go with it. */
    if (!open_connection(&floor) || !open_database(&floor) ||
        !open_mounts(&floor, argc - optind, argv + optind))
        return 1;
    return run(&floor);
}
