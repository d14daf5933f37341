/* Counts the user instructions of one thread by stepping it: for machines without hardware counters.
 *
 *     count-steps TID      SIGUSR1: print the count so far   SIGTERM: let go and end
 *
 * Counts what `perf stat -e instructions:u` would: a step that does not move the instruction pointer
 * is one more turn of a REP instruction and is not counted again. Some 40,000 steps a second. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long long counted;
static volatile sig_atomic_t asked, ended;

static void on_ask(int signal_number) { (void)signal_number; asked = 1; }
static void on_end(int signal_number) { (void)signal_number; ended = 1; }

static void answer_if_asked(void) {
    if (asked) {
        asked = 0;
        printf("%llu\n", counted);
        fflush(stdout);
    }
}

/* Waits for the thread to stop; answers questions meanwhile. Returns -1 when it is gone or we are to end. */
static int wait_for_stop(pid_t thread, int *status) {
    for (;;) {
        answer_if_asked();
        if (ended) return -1;
        pid_t got = waitpid(thread, status, __WALL);
        if (got == thread) return WIFSTOPPED(*status) ? 0 : -1;
        if (errno != EINTR) return -1;
    }
}

/* SIGALRM is HAProxy's watchdog, which would end a thread that gets on as slowly as this. */
static int deliverable(int status) {
    int signal_number = WSTOPSIG(status);
    return signal_number == SIGTRAP || signal_number == SIGALRM || (status >> 16) ? 0 : signal_number;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: count-steps TID\n");
        return 2;
    }
    pid_t thread = (pid_t)atoi(argv[1]);
    struct sigaction ask = {.sa_handler = on_ask}, end = {.sa_handler = on_end};
    sigaction(SIGUSR1, &ask, NULL);
    sigaction(SIGTERM, &end, NULL);
    if (ptrace(PTRACE_SEIZE, thread, 0, 0) || ptrace(PTRACE_INTERRUPT, thread, 0, 0)) {
        fprintf(stderr, "count-steps: cannot trace %d: %s\n", (int)thread, strerror(errno));
        return 1;
    }
    int status, signal_number = 0;
    unsigned long long last = 0;
    if (wait_for_stop(thread, &status)) return 1;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (ptrace(PTRACE_SINGLESTEP, thread, 0, signal_number)) break;
        if (wait_for_stop(thread, &status)) break;
        signal_number = deliverable(status);
        errno = 0;
        unsigned long long now =
            (unsigned long long)ptrace(PTRACE_PEEKUSER, thread, offsetof(struct user, regs.rip), 0);
        if (now != last) counted++;
        last = now;
    }
    printf("%llu\n", counted);
    return 0;
}
