/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { REQUESTS_MAX = 64, REQUEST_MAX_BYTES = 256 * 1024 };

struct fake_http {
    const struct fake_step *steps;
    size_t step_count, step;
    int listen_fd, stop_fd;
    char url[64], ca_path[64];
    FILE *ca_file;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    char *requests[REQUESTS_MAX];
    int request_count, connection_count;
};

/* One accepted connection. */
struct peer {
    struct fake_http *fake;
    int fd;
    SSL *ssl;
    char *data; /* what was read and not used yet */
    size_t len;
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fake_http: %s failed: %s\n", what, strerror(errno));
    abort();
}

/* --- TLS --- */

static EVP_PKEY *make_key(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    need(ctx != NULL && EVP_PKEY_keygen_init(ctx) > 0 &&
             EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) > 0 &&
             EVP_PKEY_keygen(ctx, &key) > 0,
         "key");
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    need(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
}

/* A certificate of its own issue for 127.0.0.1, which is its own CA. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    unsigned char serial[8] = {0};

    need(cert != NULL && getentropy(serial + 1, 6) == 0, "certificate");
    BIGNUM *number = BN_bin2bn(serial, 7, NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    X509_set_version(cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 24L * 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"stillpoint test",
                               -1, -1, 0);
    X509_set_issuer_name(cert, name);
    add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(cert, NID_subject_alt_name, "IP:127.0.0.1");
    need(X509_sign(cert, key, EVP_sha256()) > 0, "signing");
    return cert;
}

static void open_tls(struct fake_http *fake)
{
    EVP_PKEY *key = make_key();
    X509 *cert = make_certificate(key);

    /* In memory: a test that fails leaves no file behind. */
    int fd = memfd_create("test-ca", MFD_CLOEXEC);
    fake->ca_file = fd >= 0 ? fdopen(fd, "w") : NULL;
    need(fake->ca_file != NULL && PEM_write_X509(fake->ca_file, cert) == 1 &&
             fflush(fake->ca_file) == 0,
         "writing the CA");
    (void)snprintf(fake->ca_path, sizeof(fake->ca_path), "/proc/self/fd/%d", fd);
    fake->tls = SSL_CTX_new(TLS_server_method());
    need(fake->tls != NULL && SSL_CTX_use_certificate(fake->tls, cert) == 1 &&
             SSL_CTX_use_PrivateKey(fake->tls, key) == 1,
         "TLS");
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* --- one connection --- */

/* Waits for the peer; false when the fake is to stop, or after TIMEOUT_MS. */
static bool wait_for(struct fake_http *fake, int fd, short events, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = fake->stop_fd, .events = POLLIN}};
    int ready;

    do
        ready = poll(fds, 2, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0 && fds[1].revents == 0;
}

static int read_some(struct peer *peer, char *bytes, int size)
{
    if (peer->ssl == NULL || SSL_pending(peer->ssl) == 0)
        if (!wait_for(peer->fake, peer->fd, POLLIN, -1))
            return -1;
    if (peer->ssl != NULL)
        return SSL_read(peer->ssl, bytes, size);
    return (int)recv(peer->fd, bytes, (size_t)size, 0);
}

static bool write_all(struct peer *peer, const char *bytes, size_t len)
{
    while (len > 0) {
        int count = len > 16384 ? 16384 : (int)len;
        int wrote = peer->ssl != NULL ? SSL_write(peer->ssl, bytes, count)
                                      : (int)send(peer->fd, bytes, (size_t)count, MSG_NOSIGNAL);
        if (wrote <= 0)
            return false;
        bytes += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

/* Bytes of the first whole request in what was read; 0: not whole yet. */
static size_t whole_request(const struct peer *peer)
{
    const char *end = peer->data ? memmem(peer->data, peer->len, "\r\n\r\n", 4) : NULL;
    size_t body = 0;

    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - peer->data) + 4;
    const char *length = memmem(peer->data, head, "Content-Length:", 15);
    if (length != NULL)
        body = (size_t)strtoul(length + 15, NULL, 10);
    return peer->len >= head + body ? head + body : 0;
}

static bool read_request(struct peer *peer)
{
    struct fake_http *fake = peer->fake;
    char bytes[16384];
    size_t size;

    while ((size = whole_request(peer)) == 0) {
        int count = read_some(peer, bytes, (int)sizeof(bytes));
        if (count <= 0 || peer->len + (size_t)count > REQUEST_MAX_BYTES)
            return false;
        peer->data = realloc(peer->data, peer->len + (size_t)count + 1);
        need(peer->data != NULL, "memory");
        memcpy(peer->data + peer->len, bytes, (size_t)count);
        peer->len += (size_t)count;
    }
    pthread_mutex_lock(&fake->lock);
    need(fake->request_count < REQUESTS_MAX, "counting requests");
    fake->requests[fake->request_count++] = strndup(peer->data, size);
    pthread_mutex_unlock(&fake->lock);
    memmove(peer->data, peer->data + size, peer->len - size);
    peer->len -= size;
    return true;
}

static void reset(struct peer *peer)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static bool write_answer(struct peer *peer, const struct fake_step *step)
{
    const char *answer = step->answer != NULL ? step->answer : "";
    size_t len = strlen(answer), piece = step->end == FAKE_SPLIT ? 7 : len;
    char pad[4096];

    for (size_t at = 0; at < len; at += piece) {
        if (!write_all(peer, answer + at, len - at < piece ? len - at : piece))
            return false;
        if (step->end == FAKE_SPLIT)
            (void)usleep(1000);
    }
    memset(pad, 'x', sizeof(pad));
    for (size_t left = step->pad_bytes; left > 0;) {
        size_t count = left < sizeof(pad) ? left : sizeof(pad);
        if (!write_all(peer, pad, count))
            return false;
        left -= count;
    }
    return true;
}

/* Whether the connection goes on. */
static bool serve(struct peer *peer)
{
    struct fake_http *fake = peer->fake;

    if (!read_request(peer))
        return false;
    const struct fake_step *step = &fake->steps[fake->step++];
    if (step->delay_ms > 0 && !wait_for(fake, -1, 0, step->delay_ms) && step->delay_ms < 0)
        return false;
    if (step->end == FAKE_RESET || step->end == FAKE_HANG) {
        if (step->end == FAKE_HANG)
            (void)wait_for(fake, peer->fd, POLLIN, -1);
        reset(peer);
        return false;
    }
    bool ok = write_answer(peer, step);
    if (step->end == FAKE_CUT)
        reset(peer);
    return ok && step->end != FAKE_CLOSE && step->end != FAKE_CUT && fake->step < fake->step_count;
}

static void run_connection(struct fake_http *fake, int fd)
{
    struct peer peer = {.fake = fake, .fd = fd};
    int on = 1;
    bool broken = fake->steps[fake->step].end == FAKE_RESET_CONNECT;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (broken) {
        fake->step++;
        reset(&peer);
    } else if (fake->tls != NULL) {
        peer.ssl = SSL_new(fake->tls);
        need(peer.ssl != NULL && SSL_set_fd(peer.ssl, fd) == 1, "TLS");
        broken = SSL_accept(peer.ssl) != 1;
    }
    while (!broken && serve(&peer))
        continue;
    if (peer.ssl != NULL) {
        (void)SSL_shutdown(peer.ssl);
        SSL_free(peer.ssl);
    }
    (void)close(fd);
    free(peer.data);
}

static void *run(void *self)
{
    struct fake_http *fake = self;

    while (fake->step < fake->step_count && wait_for(fake, fake->listen_fd, POLLIN, -1)) {
        int fd = accept4(fake->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        pthread_mutex_lock(&fake->lock);
        fake->connection_count++;
        pthread_mutex_unlock(&fake->lock);
        run_connection(fake, fd);
    }
    (void)shutdown(fake->listen_fd, SHUT_RDWR); /* refuses from here */
    return NULL;
}

/* --- outside --- */

struct fake_http *fake_http_start(bool tls, const struct fake_step *steps, size_t count)
{
    struct fake_http *fake = calloc(1, sizeof(*fake));
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);

    need(fake != NULL, "memory");
    (void)signal(SIGPIPE, SIG_IGN);
    fake->steps = steps;
    fake->step_count = count;
    fake->stop_fd = eventfd(0, EFD_CLOEXEC);
    fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    need(fake->listen_fd >= 0 && fake->stop_fd >= 0 &&
             bind(fake->listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
             listen(fake->listen_fd, 8) == 0 &&
             getsockname(fake->listen_fd, (struct sockaddr *)&address, &len) == 0,
         "listening");
    if (count == 0)
        (void)shutdown(fake->listen_fd, SHUT_RDWR); /* who is sent there next is refused already */
    if (tls)
        open_tls(fake);
    (void)snprintf(fake->url, sizeof(fake->url), "%s://127.0.0.1:%u", tls ? "https" : "http",
                   ntohs(address.sin_port));
    need(pthread_mutex_init(&fake->lock, NULL) == 0 &&
             pthread_create(&fake->thread, NULL, run, fake) == 0,
         "thread");
    return fake;
}

void fake_http_stop(struct fake_http *fake)
{
    uint64_t one = 1;

    need(write(fake->stop_fd, &one, sizeof(one)) == sizeof(one), "stopping");
    need(pthread_join(fake->thread, NULL) == 0, "stopping");
    for (int i = 0; i < fake->request_count; i++)
        free(fake->requests[i]);
    if (fake->tls != NULL) {
        SSL_CTX_free(fake->tls);
        (void)fclose(fake->ca_file);
    }
    (void)close(fake->listen_fd);
    (void)close(fake->stop_fd);
    (void)pthread_mutex_destroy(&fake->lock);
    free(fake);
}

const char *fake_http_url(const struct fake_http *fake)
{
    return fake->url;
}

const char *fake_http_ca(const struct fake_http *fake)
{
    return fake->tls != NULL ? fake->ca_path : NULL;
}

int fake_http_requests(struct fake_http *fake)
{
    pthread_mutex_lock(&fake->lock);
    int count = fake->request_count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

int fake_http_connections(struct fake_http *fake)
{
    pthread_mutex_lock(&fake->lock);
    int count = fake->connection_count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

const char *fake_http_request(struct fake_http *fake, int n)
{
    pthread_mutex_lock(&fake->lock);
    const char *text = n < fake->request_count ? fake->requests[n] : "";
    pthread_mutex_unlock(&fake->lock);
    return text;
}

char *fake_http_answer(const char *status, const char *headers, const char *body)
{
    char *text = NULL;

    need(asprintf(&text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                  strlen(body), body) > 0,
         "memory");
    return text;
}
