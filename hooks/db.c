/* SPDX-License-Identifier: BSD-2-Clause */
#include "hooks/db.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <mysql.h>

#include "agent/base/auto.h"
#include "agent/base/clock.h"
#include "hooks/db_watch.h"

enum {
    CONNECT_MAX_S = 5, /* the client library's own time-out, whole seconds */
    PACKET_BYTES_MAX = 4 * DB_ROWS_BYTES_MAX,
    GREETING_BYTES_MAX = 512,
    USER_BYTES = 256,
};

/* Error numbers that the two servers and the client library share. */
enum {
    SERVER_ACCESS_DENIED = 1045,
    SERVER_SHUTDOWN = 1053,
    SERVER_LOCK_WAIT = 1205,
    SERVER_DEADLOCK = 1213,
    SERVER_CONNECTION_KILLED = 1927,
    SERVER_NO_PASSWORD = 1698,
    SERVER_IDLE_TOO_LONG = 4031,
    CLIENT_NO_SOCKET = 2002,
    CLIENT_GONE = 2006,
    CLIENT_LOST = 2013,
    CLIENT_NO_PLUGIN = 2059,
};

struct db {
    MYSQL *mysql;
    int fd; /* the library's; ours to shut down, not to close */
    unsigned long connection_id;
    bool alive;
    unsigned server_errno;
    const struct cancel *cancel;
    struct db_watch *watch;
};

/* --- errors ------------------------------------------------------------------------------- */

static bool means_gone(unsigned server_errno)
{
    return server_errno == CLIENT_GONE || server_errno == CLIENT_LOST ||
           server_errno == SERVER_SHUTDOWN || server_errno == SERVER_CONNECTION_KILLED ||
           server_errno == SERVER_IDLE_TOO_LONG;
}

/* The statement's own words are constants of ours: its first ones name it. */
static bool tell_failure(struct db *db, const char *sql, enum db_cut cut, struct err *err)
{
    enum err_kind kind = ERR_DB;

    db->server_errno = mysql_errno(db->mysql);
    if (cut != DB_CUT_NONE) {
        db->alive = false;
        db->server_errno = 0;
        if (cut == DB_CUT_CANCEL)
            return err_set(err, ERR_CANCELLED, 0, "%.60s: cancelled", sql);
        return err_set(err, ERR_DEADLINE, 0, "%.60s: no answer before the deadline", sql);
    }
    if (means_gone(db->server_errno))
        db->alive = false;
    if (db->server_errno == SERVER_LOCK_WAIT || db->server_errno == SERVER_DEADLOCK)
        kind = ERR_DB_LOCK;
    return err_set(err, kind, 0, "%.60s: %s (%u)", sql, mysql_error(db->mysql), db->server_errno);
}

/* --- connecting --------------------------------------------------------------------------- */

const char *db_find_socket(void)
{
    static const char *const places[] = {
        "/run/mysqld/mysqld.sock",   "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock",
        "/run/mariadb/mariadb.sock", "/var/lib/mysql/mariadb.sock", "/tmp/mysql.sock",
    };
    struct stat st;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (stat(places[i], &st) == 0 && S_ISSOCK(st.st_mode))
            return places[i];
    return NULL;
}

/* The two client libraries hide the descriptor in different places. */
static int socket_of(MYSQL *mysql)
{
#ifdef MARIADB_PACKAGE_VERSION
    return (int)mysql_get_socket(mysql);
#else
    return (int)mysql->net.fd;
#endif
}

static bool own_name(char *ret_name, struct err *err)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    int failed = getpwuid_r(geteuid(), &entry, text, sizeof(text), &found);

    if (found == NULL)
        return err_set(err, ERR_SYS, failed, "user %u has no name", (unsigned)geteuid());
    (void)snprintf(ret_name, USER_BYTES, "%s", entry.pw_name);
    return true;
}

static bool set_options(MYSQL *mysql, const struct db_target *target, int64_t left_ms,
                        struct err *err)
{
    unsigned seconds =
        left_ms >= CONNECT_MAX_S * 1000 ? CONNECT_MAX_S : (unsigned)((left_ms + 999) / 1000);
    unsigned long packet_bytes = PACKET_BYTES_MAX;
    unsigned off = 0;

    (void)mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    (void)mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off); /* the server asks us for no file */
    (void)mysql_options(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_bytes);
    (void)mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (target->defaults_file == NULL)
        return true;
    /* The library passes over a file that it can't read. */
    if (access(target->defaults_file, R_OK) != 0)
        return err_set(err, ERR_CONFIG, errno, "defaults_file %s", target->defaults_file);
    (void)mysql_options(mysql, MYSQL_READ_DEFAULT_FILE, target->defaults_file);
    (void)mysql_options(mysql, MYSQL_READ_DEFAULT_GROUP, "client");
    return true;
}

static bool tell_connect_failure(struct db *db, const struct db_target *target, const char *user,
                                 int64_t deadline_ms, struct err *err)
{
    db->server_errno = mysql_errno(db->mysql);
    if (clock_boot_ms() >= deadline_ms)
        return err_set(err, ERR_DEADLINE, 0, "%s: no answer to the log-in before the deadline",
                       target->socket);
    if (db->server_errno == CLIENT_NO_SOCKET) /* names the socket itself */
        err_set(err, ERR_DB, 0, "%s (%u)", mysql_error(db->mysql), db->server_errno);
    else
        err_set(err, ERR_DB, 0, "%s: %s (%u)", target->socket, mysql_error(db->mysql),
                db->server_errno);
    switch (db->server_errno) {
    case SERVER_ACCESS_DENIED:
    case SERVER_NO_PASSWORD:
        err_suggest(err,
                    "`stillpoint doctor` prints the CREATE USER and GRANT statements for %s; or "
                    "name a defaults_file= with user and password under [mysql]",
                    user != NULL ? user : "the user in defaults_file");
        break;
    case CLIENT_NO_SOCKET:
        err_suggest(err, "start the server, or set socket= under [mysql] to what SELECT @@socket "
                         "says; the agent's user must reach it");
        break;
    case CLIENT_GONE:
    case CLIENT_LOST:
        err_suggest(err, "see whether the server still answers (mariadb-admin ping), and its log");
        break;
    case CLIENT_NO_PLUGIN: /* not reached: MySQL's library alone has it */
        err_suggest(err, "let the user log in by its socket (unix_socket, auth_socket)");
        break;
    default:
        break;
    }
    return false;
}

static bool log_in(struct db *db, const struct db_target *target, int64_t deadline_ms,
                   struct err *err)
{
    char name[USER_BYTES];
    const char *user = target->user;
    int left_ms = 0;

    if (user == NULL && target->defaults_file == NULL) {
        if (!own_name(name, err))
            return false;
        user = name;
    }
    if (!deadline_left_ms(deadline_ms, &left_ms, err) ||
        !set_options(db->mysql, target, left_ms, err))
        return err_wrap(err, "%s", target->socket);
    if (mysql_real_connect(db->mysql, "localhost", user, NULL, NULL, 0, target->socket, 0) == NULL)
        return tell_connect_failure(db, target, user, deadline_ms, err);
    db->fd = socket_of(db->mysql);
    db->connection_id = mysql_thread_id(db->mysql);
    db->alive = true;
    return true;
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT; /* the library's own first call races */

static void start_library(void)
{
    (void)mysql_library_init(0, NULL, NULL); /* mysql_init says if it did not work */
}

bool db_open(const struct db_target *target, int64_t deadline_ms, const struct cancel *cancel,
             struct db **ret_db, struct err *err)
{
    struct db *db = NULL;

    if (cancel_asked(cancel))
        return err_set(err, ERR_CANCELLED, 0, "%s: cancelled", target->socket);
    (void)pthread_once(&library_once, start_library);
    db = calloc(1, sizeof(*db));
    if (db == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for a connection");
    db->cancel = cancel;
    db->fd = -1;
    db->mysql = mysql_init(NULL);
    if (db->mysql == NULL)
        err_set(err, ERR_INTERNAL, 0, "no memory for a connection");
    if (db->mysql == NULL || !log_in(db, target, deadline_ms, err) ||
        !db_watch_start(db->fd, cancel, &db->watch, err)) {
        db_close(db);
        return false;
    }
    *ret_db = db;
    return true;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    db_watch_stop(db->watch); /* first: the library closes the descriptor that it shuts down */
    if (db->mysql != NULL)
        mysql_close(db->mysql);
    free(db);
}

/* --- the greeting ------------------------------------------------------------------------- */

/* Protocol 10: a length of three bytes, a number, the protocol's version, then the text. */
static bool parse_greeting(const unsigned char *bytes, size_t len, char *ret_version,
                           struct err *err)
{
    enum { TEXT_AT = 5, PROTOCOL = 10 };

    if (len <= TEXT_AT || bytes[4] != PROTOCOL || memchr(bytes + TEXT_AT, 0, len - TEXT_AT) == NULL)
        return err_set(err, ERR_PROTOCOL, 0, "the greeting is not one of a MySQL server");
    (void)snprintf(ret_version, DB_VERSION_BYTES, "%.*s", DB_VERSION_BYTES - 1,
                   (const char *)bytes + TEXT_AT);
    for (char *c = ret_version; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return true;
}

bool db_peek_version(const char *path, int64_t deadline_ms, char *ret_version, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned char greeting[GREETING_BYTES_MAX];
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return err_set(err, ERR_SYS, errno, "socket"); /* not reached: no descriptor is left */
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_CONFIG, 0, "%s: longer than a socket's path can be", path);
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return err_set(err, ERR_DB, errno, "%s", path);
    if (!deadline_poll(fd, POLLIN, deadline_ms, NULL, err))
        return err_wrap(err, "%s: waiting for the greeting", path);
    ssize_t len = recv(fd, greeting, sizeof(greeting), 0);
    if (len < 0)
        return err_set(err, ERR_DB, errno, "%s", path); /* not reached: poll saw bytes or the end */
    return parse_greeting(greeting, (size_t)len, ret_version, err) || err_wrap(err, "%s", path);
}

/* --- statements --------------------------------------------------------------------------- */

void db_rows_free(struct db_rows *rows)
{
    for (size_t i = 0; rows->names != NULL && i < rows->column_count; i++)
        free(rows->names[i]);
    for (size_t i = 0; rows->cells != NULL && i < rows->row_count * rows->column_count; i++)
        free(rows->cells[i]);
    free(rows->names);
    free(rows->cells);
    *rows = (struct db_rows)DB_ROWS_INIT;
}

const char *db_rows_get(const struct db_rows *rows, size_t row, const char *column)
{
    for (size_t i = 0; i < rows->column_count && row < rows->row_count; i++)
        if (strcasecmp(rows->names[i], column) == 0)
            return rows->cells[row * rows->column_count + i];
    return NULL;
}

static bool copy_names(MYSQL_RES *result, struct db_rows *rows, struct err *err)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    size_t count = mysql_num_fields(result);

    rows->names = calloc(count, sizeof(*rows->names));
    if (rows->names == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for an answer");
    rows->column_count = count;
    for (size_t i = 0; i < count; i++) {
        rows->names[i] = strdup(fields[i].name);
        if (rows->names[i] == NULL)
            return err_set(err, ERR_INTERNAL, 0, "no memory for an answer");
    }
    return true;
}

/* Makes room for one more row, doubling. */
static bool grow(struct db_rows *rows, size_t *room, struct err *err)
{
    if (rows->cells != NULL && rows->row_count < *room)
        return true;
    size_t wanted = *room == 0 ? 8 : *room * 2;
    char **cells = reallocarray(rows->cells, wanted * rows->column_count, sizeof(*cells));
    if (cells == NULL)
        return err_set(err, ERR_INTERNAL, 0, "no memory for an answer");
    rows->cells = cells;
    *room = wanted;
    return true;
}

static bool copy_row(MYSQL_RES *result, MYSQL_ROW row, struct db_rows *rows, size_t *bytes,
                     struct err *err)
{
    const unsigned long *lengths = mysql_fetch_lengths(result);
    char **cells = rows->cells + rows->row_count * rows->column_count;

    for (size_t i = 0; i < rows->column_count; i++)
        cells[i] = NULL;
    rows->row_count++; /* from here db_rows_free sees the row */
    for (size_t i = 0; i < rows->column_count; i++) {
        *bytes += sizeof(*cells) + lengths[i];
        if (*bytes > DB_ROWS_BYTES_MAX || rows->row_count > DB_ROWS_MAX)
            return err_set(err, ERR_LIMIT, 0, "an answer of more than %d rows or %d bytes",
                           DB_ROWS_MAX, DB_ROWS_BYTES_MAX);
        if (row[i] == NULL)
            continue;
        cells[i] = strndup(row[i], lengths[i]);
        if (cells[i] == NULL)
            return err_set(err, ERR_INTERNAL, 0, "no memory for an answer");
    }
    return true;
}

/* What our own side can't take leaves the rest of the answer on the wire: the connection is done.
 */
static bool read_rows(struct db *db, MYSQL_RES *result, struct db_rows *rows, struct err *err)
{
    size_t room = 0, bytes = 0;
    MYSQL_ROW row = NULL;
    bool ok = copy_names(result, rows, err);

    while (ok && (row = mysql_fetch_row(result)) != NULL)
        ok = grow(rows, &room, err) && copy_row(result, row, rows, &bytes, err);
    if (!ok) {
        db->alive = false;
        (void)shutdown(db->fd, SHUT_RDWR);
    }
    return ok;
}

/* True when the whole answer is in. False with err set: our own side; unset: the server's. */
static bool run(struct db *db, const char *sql, struct db_rows *rows, struct err *err)
{
    if (mysql_real_query(db->mysql, sql, strlen(sql)) != 0)
        return false;
    MYSQL_RES *result = mysql_use_result(db->mysql);
    if (result == NULL)
        return mysql_errno(db->mysql) == 0;
    bool ok = read_rows(db, result, rows, err) && mysql_errno(db->mysql) == 0;
    mysql_free_result(result); /* reads what is left, to the end or to the shutdown */
    return ok;
}

bool db_query(struct db *db, const char *sql, bool cancellable, int64_t deadline_ms,
              struct db_rows *ret_rows, struct err *err)
{
    struct db_rows rows = DB_ROWS_INIT;
    struct err own = ERR_INIT;
    int left_ms = 0;

    db->server_errno = 0;
    if (!db->alive)
        return err_set(err, ERR_DB, 0, "%.60s: the connection is gone", sql);
    if (cancellable && cancel_asked(db->cancel))
        return err_set(err, ERR_CANCELLED, 0, "%.60s: cancelled", sql);
    if (!deadline_left_ms(deadline_ms, &left_ms, err))
        return err_wrap(err, "%.60s", sql);
    db_watch_arm(db->watch, cancellable, deadline_ms);
    bool ok = run(db, sql, &rows, &own);
    enum db_cut cut = db_watch_disarm(db->watch);
    if (ok && cut != DB_CUT_NONE)
        ok = false; /* the answer was in already, but nobody is there any more who holds anything */
    if (!ok && own.kind != ERR_NONE && cut == DB_CUT_NONE) {
        *err = own;
        err_wrap(err, "%.60s", sql);
    } else if (!ok) {
        tell_failure(db, sql, cut, err);
    }
    if (ok && ret_rows != NULL)
        *ret_rows = rows;
    else
        db_rows_free(&rows);
    return ok;
}

bool db_exec(struct db *db, const char *sql, bool cancellable, int64_t deadline_ms, struct err *err)
{
    return db_query(db, sql, cancellable, deadline_ms, NULL, err);
}

unsigned db_errno(const struct db *db)
{
    return db->server_errno;
}

bool db_alive(const struct db *db)
{
    return db->alive;
}

unsigned long db_connection_id(const struct db *db)
{
    return db->connection_id;
}

static int64_t whole_seconds(int64_t ms)
{
    return ms >= 1000 ? ms / 1000 : 1;
}

bool db_bound_session(struct db *db, int64_t lease_ms, int64_t lock_wait_ms, int64_t deadline_ms,
                      struct err *err)
{
    char sql[256];
    long long lease_s = whole_seconds(lease_ms), lock_wait_s = whole_seconds(lock_wait_ms);

    (void)snprintf(sql, sizeof(sql),
                   "SET SESSION wait_timeout=%lld, SESSION net_read_timeout=%lld, "
                   "SESSION net_write_timeout=%lld, SESSION lock_wait_timeout=%lld",
                   lease_s, lease_s, lease_s, lock_wait_s);
    return db_exec(db, sql, true, deadline_ms, err);
}
