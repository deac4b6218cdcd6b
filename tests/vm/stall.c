// SPDX-License-Identifier: BSD-2-Clause
/* stall FILE...: in a machine of tests/vm, a writer for each file: it appends a line and has it on
 * disk (fdatasync), some twenty times a second. At SIGTERM one line of JSON, [{"file", "writes",
 * "longest_ms"}]: how long the longest write took, which is what a freeze costs who writes. Locked
 * in memory, and what it measures is written nowhere before the end. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILES    8
#define PAUSE_NS 40000000L

struct record {
    uint64_t writes;
    double longest_ms;
};

static volatile sig_atomic_t over;

static void end(int signal)
{
    (void)signal;
    over = 1;
}

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int write_on(const char *path, struct record *record)
{
    const struct timespec pause = {0, PAUSE_NS};
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        perror(path);
        return 1;
    }
    while (!over) {
        char line[64];
        const double begin = now_ms();
        const int n = snprintf(line, sizeof(line), "%020llu of a writer of the lab\n",
                               (unsigned long long)record->writes);
        if (write(fd, line, (size_t)n) != n || fdatasync(fd) != 0) {
            perror(path);
            return 1;
        }
        const double took = now_ms() - begin;
        record->longest_ms = took > record->longest_ms ? took : record->longest_ms;
        record->writes++;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

static int tell(char **files, int count, const struct record *records)
{
    int failed = 0, status;
    for (int i = 0; i < count; i++)
        failed |= wait(&status) < 0 || status != 0;
    for (int i = 0; i < count; i++)
        (void)printf("%s{\"file\": \"%s\", \"writes\": %llu, \"longest_ms\": %.1f}",
                     i == 0 ? "[" : ", ", files[i], (unsigned long long)records[i].writes,
                     records[i].longest_ms);
    (void)printf("]\n");
    return failed;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = end};
    pid_t children[FILES];
    sigset_t term;
    int which;
    struct record *records = mmap(NULL, sizeof(*records) * FILES, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (argc < 2 || argc > FILES + 1 || records == MAP_FAILED) {
        (void)fprintf(stderr, "usage: stall FILE... (at most %d)\n", FILES);
        return 2;
    }
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    for (int i = 0; i < argc - 1; i++) {
        if ((children[i] = fork()) == 0) {
            (void)sigprocmask(SIG_UNBLOCK, &term, NULL);
            (void)mlockall(MCL_CURRENT | MCL_FUTURE);
            _exit(write_on(argv[i + 1], &records[i]));
        }
    }
    (void)sigwait(&term, &which);
    for (int i = 0; i < argc - 1; i++)
        (void)kill(children[i], SIGTERM);
    return tell(argv + 1, argc - 1, records);
}
