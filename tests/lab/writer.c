/* SPDX-License-Identifier: BSD-2-Clause */
/* The lab's load: transactions, tables of every engine and files, with a record of each write.
 *
 *   writer --lab DIR [--sql N] [--no-sql] [--innodb-only] [--no-files] [--pause-us N]
 *          [--txn-pause-us N] [--seconds N]
 *
 * Reads DIR/node.json for the server's socket and the mounts. Threads, each with one write in
 * flight: N (2) with transactions over two InnoDB tables and a balance, one each for MyISAM, Aria
 * and transactional Aria (unless told InnoDB only, and Aria where there is one: MySQL has none),
 * one for each mount with files (appended, checksummed, some synced).
 * Rows and records are numbered from 1 without a gap by each thread, so a restored copy can be
 * judged to the row. A first run makes the tables; a later one goes on where they end.
 *
 * DIR/acks (tmpfs, so that it never waits for a frozen disk) gets a file a thread, THREAD.ack, with
 * one line a finished write: number, begin and end on CLOCK_REALTIME, end on CLOCK_MONOTONIC, all
 * in microseconds; and `ready` once every thread has written. Ends on SIGTERM or after --seconds,
 * then prints JSON: for each thread its writes and its longest gap between two finished writes, on
 * CLOCK_MONOTONIC; gaps.py reads the same out of DIR/acks for any stretch of time.
 * Exit 1 where a write failed for any reason but the server's going away at the end. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <mysql.h>

enum {
    THREADS_MAX = 32,
    RECORD_BYTES = 128,           /* of a file, a line of text */
    FILE_RECORDS_MAX = 64 * 1024, /* then the next file; three are kept */
    FILES_KEPT = 3,
    SYNC_EVERY = 64, /* on every other mount; on the rest never: only a freeze writes those out */
    ACCOUNTS = 16,
    ACK_BYTES = 64 * 1024,
};

enum kind { KIND_INNODB, KIND_MYISAM, KIND_ARIA, KIND_ARIA_TRX, KIND_FILE };

struct options {
    const char *lab;
    long sql_threads;
    long pause_us;
    long txn_pause_us;
    long seconds;
    bool sql;
    bool innodb_only;
    bool files;
};

struct thread {
    pthread_t id;
    enum kind kind;
    int number; /* of its kind, from 1 */
    char name[64];
    const struct options *options;
    const char *socket;
    char directory[512]; /* KIND_FILE */
    int ack_fd;
    char ack[ACK_BYTES];
    size_t ack_bytes;
    int64_t ack_flushed_us;
    uint64_t next;  /* the number of the next write */
    uint64_t count; /* of this run */
    int64_t last_end_us;
    int64_t gap_us; /* the longest */
    int64_t gap_begin_us;
    _Atomic bool wrote;
    char error[512];
};

static atomic_bool stopping; /* lock-free: fine in a signal handler, too */

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void pause_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    if (us > 0)
        nanosleep(&t, NULL);
}

__attribute__((format(printf, 2, 3))) static bool broken(struct thread *thread, const char *fmt,
                                                         ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(thread->error, sizeof(thread->error), fmt, args);
    va_end(args);
    return false;
}

/* --- the record of acknowledged writes -----------------------------------------------------------
 */

static void ack_flush(struct thread *thread)
{
    size_t done = 0;

    while (done < thread->ack_bytes) {
        ssize_t n = write(thread->ack_fd, thread->ack + done, thread->ack_bytes - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    thread->ack_bytes = 0;
}

static void ack_add(struct thread *thread, int64_t begin_utc_us)
{
    int64_t end_utc_us = now_us(CLOCK_REALTIME);
    int64_t end_us = now_us(CLOCK_MONOTONIC);
    int n = snprintf(thread->ack + thread->ack_bytes, ACK_BYTES - thread->ack_bytes,
                     "%" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", thread->next,
                     begin_utc_us, end_utc_us, end_us);

    if (n > 0)
        thread->ack_bytes += (size_t)n;
    if (thread->last_end_us != 0 && end_us - thread->last_end_us > thread->gap_us) {
        thread->gap_us = end_us - thread->last_end_us;
        thread->gap_begin_us = thread->last_end_us;
    }
    thread->last_end_us = end_us;
    thread->next++;
    thread->count++;
    if (ACK_BYTES - thread->ack_bytes < 128 || end_us - thread->ack_flushed_us > 20000) {
        ack_flush(thread);
        thread->ack_flushed_us = end_us;
    }
    atomic_store(&thread->wrote, true);
}

/* --- SQL
 * ------------------------------------------------------------------------------------------ */

static const struct {
    enum kind kind;
    const char *sql;
} schema[] = {
    {KIND_INNODB, "CREATE DATABASE IF NOT EXISTS lab"},
    {KIND_INNODB, "CREATE TABLE IF NOT EXISTS lab.orders (writer INT, seq BIGINT, pad VARCHAR(80), "
                  "PRIMARY KEY (writer, seq)) ENGINE=InnoDB"},
    {KIND_INNODB, "CREATE TABLE IF NOT EXISTS lab.ledger (writer INT, seq BIGINT, a INT, b INT, "
                  "amount INT, PRIMARY KEY (writer, seq), KEY (a)) ENGINE=InnoDB"},
    {KIND_INNODB, "CREATE TABLE IF NOT EXISTS lab.balance (writer INT, account INT, amount BIGINT, "
                  "PRIMARY KEY (writer, account)) ENGINE=InnoDB"},
    {KIND_MYISAM, "CREATE TABLE IF NOT EXISTS lab.warehouse (writer INT, seq BIGINT, "
                  "pad VARCHAR(80), PRIMARY KEY (seq), KEY (pad(20))) ENGINE=MyISAM"},
    {KIND_ARIA, "CREATE TABLE IF NOT EXISTS lab.aria_plain (writer INT, seq BIGINT, "
                "pad VARCHAR(80), PRIMARY KEY (seq), KEY (pad(20))) "
                "ENGINE=Aria TRANSACTIONAL=0 PAGE_CHECKSUM=1"},
    {KIND_ARIA_TRX, "CREATE TABLE IF NOT EXISTS lab.aria_trx (writer INT, seq BIGINT, "
                    "pad VARCHAR(80), PRIMARY KEY (seq), KEY (pad(20))) "
                    "ENGINE=Aria TRANSACTIONAL=1"},
};

static const char *const engine_table[] = {
    [KIND_MYISAM] = "warehouse", [KIND_ARIA] = "aria_plain", [KIND_ARIA_TRX] = "aria_trx"};

static MYSQL *sql_connect(const char *socket_path, char *error, size_t error_bytes)
{
    MYSQL *db = mysql_init(NULL);

    if (db == NULL || mysql_real_connect(db, NULL, "root", NULL, NULL, 0, socket_path, 0) == NULL) {
        snprintf(error, error_bytes, "connect %s: %s", socket_path,
                 db ? mysql_error(db) : "memory");
        if (db != NULL)
            mysql_close(db);
        return NULL;
    }
    return db;
}

static bool sql_run(MYSQL *db, struct thread *thread, const char *text)
{
    if (mysql_query(db, text) != 0)
        return broken(thread, "%.200s: %s (%u)", text, mysql_error(db), mysql_errno(db));
    return true;
}

static bool sql_number(MYSQL *db, struct thread *thread, const char *text, uint64_t *ret_value)
{
    MYSQL_RES *result;
    MYSQL_ROW row;

    if (!sql_run(db, thread, text))
        return false;
    result = mysql_store_result(db);
    row = result ? mysql_fetch_row(result) : NULL;
    *ret_value = row && row[0] ? strtoull(row[0], NULL, 10) : 0;
    mysql_free_result(result);
    return true;
}

static void pad_make(char *pad, size_t bytes, uint64_t seed)
{
    uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;

    for (size_t i = 0; i + 1 < bytes; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        pad[i] = (char)('a' + x % 26);
    }
    pad[bytes - 1] = '\0';
}

/* One transfer: both tables get the number, two balances move; their sum never changes. */
static bool write_transaction(MYSQL *db, struct thread *thread)
{
    char text[512];
    char pad[61];
    int a = (int)(thread->next % ACCOUNTS);
    int b = (int)(thread->next * 7 % ACCOUNTS);
    int amount = (int)(thread->next % 100) + 1;

    pad_make(pad, sizeof(pad), thread->next);
    if (!sql_run(db, thread, "BEGIN"))
        return false;
    snprintf(text, sizeof(text), "INSERT INTO lab.orders VALUES (%d, %" PRIu64 ", '%s')",
             thread->number, thread->next, pad);
    if (!sql_run(db, thread, text))
        return false;
    snprintf(text, sizeof(text),
             "UPDATE lab.balance SET amount = amount - %d WHERE writer = %d AND account = %d",
             amount, thread->number, a);
    if (!sql_run(db, thread, text))
        return false;
    snprintf(text, sizeof(text),
             "UPDATE lab.balance SET amount = amount + %d WHERE writer = %d AND account = %d",
             amount, thread->number, b);
    if (!sql_run(db, thread, text))
        return false;
    snprintf(text, sizeof(text), "INSERT INTO lab.ledger VALUES (%d, %" PRIu64 ", %d, %d, %d)",
             thread->number, thread->next, a, b, amount);
    return sql_run(db, thread, text) && sql_run(db, thread, "COMMIT");
}

static bool write_row(MYSQL *db, struct thread *thread)
{
    char text[512];
    char pad[61];

    pad_make(pad, sizeof(pad), thread->next);
    snprintf(text, sizeof(text), "INSERT INTO lab.%s VALUES (%d, %" PRIu64 ", '%s')",
             engine_table[thread->kind], thread->number, thread->next, pad);
    return sql_run(db, thread, text);
}

static bool sql_begin(MYSQL *db, struct thread *thread)
{
    char text[256];

    if (thread->kind == KIND_INNODB)
        snprintf(text, sizeof(text), "SELECT MAX(seq) FROM lab.orders WHERE writer = %d",
                 thread->number);
    else
        snprintf(text, sizeof(text), "SELECT MAX(seq) FROM lab.%s", engine_table[thread->kind]);
    if (!sql_number(db, thread, text, &thread->next))
        return false;
    thread->next++;
    for (int account = 0; thread->kind == KIND_INNODB && account < ACCOUNTS; account++) {
        snprintf(text, sizeof(text), "INSERT IGNORE INTO lab.balance VALUES (%d, %d, 1000000)",
                 thread->number, account);
        if (!sql_run(db, thread, text))
            return false;
    }
    return true;
}

static bool sql_write(struct thread *thread)
{
    MYSQL *db = sql_connect(thread->socket, thread->error, sizeof(thread->error));
    bool ok = db != NULL && sql_begin(db, thread);
    long pause =
        thread->kind == KIND_INNODB ? thread->options->txn_pause_us : thread->options->pause_us;

    while (ok && !stopping) {
        int64_t begin_utc_us = now_us(CLOCK_REALTIME);
        ok = thread->kind == KIND_INNODB ? write_transaction(db, thread) : write_row(db, thread);
        if (ok) {
            ack_add(thread, begin_utc_us);
            pause_us(pause);
        }
    }
    if (db != NULL)
        mysql_close(db);
    return ok;
}

/* --- files
 * ---------------------------------------------------------------------------------------- */

static uint32_t checksum(const char *bytes, size_t length)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)bytes[i]) * 16777619u;
    return h;
}

/* "%020u pad... %08x\n": the checksum is over all that stands before it. */
static void record_make(char record[RECORD_BYTES + 1], uint64_t number)
{
    char pad[RECORD_BYTES - 20 - 1 - 1 - 8 - 1 + 1];

    pad_make(pad, sizeof(pad), number);
    snprintf(record, RECORD_BYTES + 1, "%020" PRIu64 " %s ", number, pad);
    snprintf(record + RECORD_BYTES - 9, 10, "%08x\n", checksum(record, RECORD_BYTES - 9));
}

static int file_open(struct thread *thread, uint64_t file)
{
    char path[640];
    int fd;

    snprintf(path, sizeof(path), "%s/%012" PRIu64, thread->directory, file);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        broken(thread, "%s: %s", path, strerror(errno));
    if (file >= FILES_KEPT) {
        snprintf(path, sizeof(path), "%s/%012" PRIu64, thread->directory, file - FILES_KEPT);
        (void)unlink(path); /* the first files of a run were never there */
    }
    return fd;
}

static bool file_write(struct thread *thread)
{
    char record[RECORD_BYTES + 1];
    bool sync = thread->number % 2 != 0;
    int fd = -1;
    bool ok = true;

    if (mkdir(thread->directory, 0755) != 0 && errno != EEXIST)
        return broken(thread, "%s: %s", thread->directory, strerror(errno));
    for (; ok && !stopping; pause_us(thread->options->pause_us)) {
        uint64_t in_file = (thread->next - 1) % FILE_RECORDS_MAX;
        int64_t begin_utc_us;
        if (fd < 0 || in_file == 0) {
            if (fd >= 0)
                close(fd);
            fd = file_open(thread, (thread->next - 1) / FILE_RECORDS_MAX);
            if (fd < 0)
                return false;
        }
        record_make(record, thread->next);
        begin_utc_us = now_us(CLOCK_REALTIME);
        if (write(fd, record, RECORD_BYTES) != RECORD_BYTES ||
            (sync && thread->next % SYNC_EVERY == 0 && fdatasync(fd) != 0))
            ok = broken(thread, "%s: write: %s", thread->directory, strerror(errno));
        else
            ack_add(thread, begin_utc_us);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

/* Where an earlier run ended: behind the last record of the last file. */
static uint64_t file_next(const char *directory)
{
    char path[640];
    struct stat st;
    uint64_t next = 1;

    for (uint64_t file = 0; file < 100000; file++) {
        snprintf(path, sizeof(path), "%s/%012" PRIu64, directory, file);
        if (stat(path, &st) == 0)
            next = file * FILE_RECORDS_MAX + (uint64_t)st.st_size / RECORD_BYTES + 1;
        else if (next > 1)
            break;
    }
    return next;
}

/* --- threads
 * -------------------------------------------------------------------------------------- */

static void *thread_main(void *arg)
{
    struct thread *thread = arg;

    if (thread->kind == KIND_FILE) {
        thread->next = file_next(thread->directory);
        file_write(thread);
    } else {
        mysql_thread_init();
        sql_write(thread);
        mysql_thread_end();
    }
    ack_flush(thread);
    if (thread->error[0] != '\0')
        stopping = 1;
    return NULL;
}

static struct thread *thread_add(struct thread **threads, size_t *count,
                                 const struct options *options, enum kind kind, int number,
                                 const char *name)
{
    char path[640];
    struct thread *thread = *count < THREADS_MAX ? calloc(1, sizeof(*thread)) : NULL;

    if (thread == NULL)
        return NULL;
    thread->kind = kind;
    thread->number = number;
    thread->options = options;
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    snprintf(path, sizeof(path), "%s/acks/%s.ack", options->lab, name);
    thread->ack_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (thread->ack_fd < 0) {
        fprintf(stderr, "writer: %s: %s\n", path, strerror(errno));
        free(thread);
        return NULL;
    }
    threads[(*count)++] = thread;
    return thread;
}

static bool plan_sql(struct thread **threads, size_t *count, const struct options *options,
                     const char *socket_path, enum kind last_kind)
{
    static const char *const names[] = {
        [KIND_MYISAM] = "myisam", [KIND_ARIA] = "aria-plain", [KIND_ARIA_TRX] = "aria-trx"};
    char name[64];
    struct thread *thread;

    for (int i = 1; i <= options->sql_threads; i++) {
        snprintf(name, sizeof(name), "innodb-%d", i);
        thread = thread_add(threads, count, options, KIND_INNODB, i, name);
        if (thread == NULL)
            return false;
        thread->socket = socket_path;
    }
    for (enum kind kind = KIND_MYISAM; kind <= last_kind; kind++) {
        thread = thread_add(threads, count, options, kind, 1, names[kind]);
        if (thread == NULL)
            return false;
        thread->socket = socket_path;
    }
    return true;
}

static bool plan_files(struct thread **threads, size_t *count, const struct options *options,
                       const json_t *mounts)
{
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        const json_t *mount = json_array_get(mounts, i);
        const char *at = json_string_value(json_object_get(mount, "at"));
        const char *mount_name = json_string_value(json_object_get(mount, "name"));
        char name[64];
        struct thread *thread;

        if (at == NULL || mount_name == NULL)
            return false;
        snprintf(name, sizeof(name), "file-%.40s", mount_name);
        thread = thread_add(threads, count, options, KIND_FILE, (int)i + 1, name);
        if (thread == NULL)
            return false;
        /* A name that no server takes for a database of its own: see ignore_db_dirs. */
        snprintf(thread->directory, sizeof(thread->directory), "%s/.lab-files", at);
    }
    return true;
}

static bool make_schema(const char *socket_path, enum kind last_kind)
{
    struct thread scratch = {.error = ""};
    MYSQL *db = sql_connect(socket_path, scratch.error, sizeof(scratch.error));
    bool ok = db != NULL;

    for (size_t i = 0; ok && i < sizeof(schema) / sizeof(schema[0]); i++)
        ok = schema[i].kind > last_kind || sql_run(db, &scratch, schema[i].sql);
    if (!ok)
        fprintf(stderr, "writer: %s\n", scratch.error);
    if (db != NULL)
        mysql_close(db);
    return ok;
}

/* The kinds are in this order: InnoDB alone, MyISAM too, Aria too. */
static enum kind last_engine(const json_t *mysql, const struct options *options)
{
    const char *server = json_string_value(json_object_get(mysql, "kind"));

    if (options->innodb_only)
        return KIND_INNODB;
    return server != NULL && strcmp(server, "mysql") == 0 ? KIND_MYISAM : KIND_ARIA_TRX;
}

static bool say_ready(const struct options *options, struct thread **threads, size_t count)
{
    char path[640];
    int fd;

    for (size_t i = 0; i < count; i++) {
        while (!atomic_load(&threads[i]->wrote) && !stopping)
            pause_us(1000);
    }
    snprintf(path, sizeof(path), "%s/acks/ready", options->lab);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && !stopping;
}

static int report(const struct options *options, struct thread **threads, size_t count)
{
    char path[640];
    int status = 0;

    snprintf(path, sizeof(path), "%s/acks/ready", options->lab);
    (void)unlink(path);
    printf("{");
    for (size_t i = 0; i < count; i++) {
        printf("%s\n \"%s\": {\"writes\": %" PRIu64
               ", \"longest_gap_ms\": %.3f, \"gap_begin_us\": %" PRId64 "}",
               i ? "," : "", threads[i]->name, threads[i]->count,
               (double)threads[i]->gap_us / 1000.0, threads[i]->gap_begin_us);
        if (threads[i]->error[0] != '\0') {
            fprintf(stderr, "writer: %s: %s\n", threads[i]->name, threads[i]->error);
            status = 1;
        }
        close(threads[i]->ack_fd);
        free(threads[i]);
    }
    printf("\n}\n");
    return status;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--no-sql") == 0) {
            options->sql = false;
        } else if (strcmp(name, "--innodb-only") == 0) {
            options->innodb_only = true;
        } else if (strcmp(name, "--no-files") == 0) {
            options->files = false;
        } else if (i + 1 < argc && strcmp(name, "--lab") == 0) {
            options->lab = argv[++i];
        } else if (i + 1 < argc && strcmp(name, "--sql") == 0) {
            options->sql_threads = strtol(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(name, "--pause-us") == 0) {
            options->pause_us = strtol(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(name, "--txn-pause-us") == 0) {
            options->txn_pause_us = strtol(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(name, "--seconds") == 0) {
            options->seconds = strtol(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "writer: what is %s? (see the head of tests/lab/writer.c)\n", name);
            return false;
        }
    }
    return options->lab != NULL && options->sql_threads >= 0 && options->sql_threads < 16;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    struct options options = {
        .sql_threads = 2, .pause_us = 1000, .txn_pause_us = 0, .sql = true, .files = true};
    struct thread *threads[THREADS_MAX];
    size_t count = 0;
    char path[640];
    json_error_t json_error;
    json_t *node;
    const json_t *mysql;
    const char *socket_path;
    bool ok = read_options(argc, argv, &options);

    if (!ok)
        return 2;
    catch_signals();
    snprintf(path, sizeof(path), "%s/node.json", options.lab);
    node = json_load_file(path, 0, &json_error);
    if (node == NULL) {
        fprintf(stderr, "writer: %s: %s\n", path, json_error.text);
        return 2;
    }
    mysql = json_object_get(node, "mysql");
    socket_path = json_string_value(json_object_get(mysql, "socket"));
    mysql_library_init(0, NULL, NULL);
    if (options.sql && socket_path != NULL) {
        enum kind last_kind = last_engine(mysql, &options);
        ok = make_schema(socket_path, last_kind) &&
             plan_sql(threads, &count, &options, socket_path, last_kind);
    }
    if (ok && options.files)
        ok = plan_files(threads, &count, &options, json_object_get(node, "mounts"));
    for (size_t i = 0; ok && i < count; i++)
        ok = pthread_create(&threads[i]->id, NULL, thread_main, threads[i]) == 0;
    if (!ok)
        return 1; /* the threads that run end with the process */
    (void)say_ready(&options, threads, count);
    for (int64_t end_us = now_us(CLOCK_MONOTONIC) + options.seconds * 1000000;
         !stopping && (options.seconds == 0 || now_us(CLOCK_MONOTONIC) < end_us);)
        pause_us(20000);
    stopping = 1;
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i]->id, NULL);
    json_decref(node);
    mysql_library_end();
    return report(&options, threads, count);
}
