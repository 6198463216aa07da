/* Masks, pending signals, handlers that nest, one-shot handlers, and what sigaction says. */
#define _GNU_SOURCE
#include "report.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int depth;
static sigjmp_buf escape;
static char *forbidden;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    depth++;
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    printf("signal %d, code %d, depth %d, masked %d %d\n", number, info->si_code, depth,
           sigismember(&mask, SIGUSR1), sigismember(&mask, SIGUSR2));
    if (number == SIGUSR1)
        raise(SIGUSR2);
    depth--;
}

static void fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d, code %d, its address: %d\n", number, info->si_code,
           info->si_addr == forbidden);
    siglongjmp(escape, 1);
}

static void install(int number, void (*function)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = function, .sa_flags = SA_SIGINFO | flags};
    REPORT(sigaction(number, &action, NULL));
}

static void masks(void)
{
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    REPORT(sigprocmask(SIG_BLOCK, &set, &old));
    HOLDS(!sigismember(&old, SIGUSR1));
    REPORT(raise(SIGUSR1));
    REPORT(raise(SIGUSR1));
    REPORT(sigpending(&pending));
    HOLDS(sigismember(&pending, SIGUSR1));
    REPORT(sigprocmask(SIG_SETMASK, &old, NULL));
    REPORT(sigpending(&pending));
    HOLDS(!sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    REPORT(sigsuspend(&old));
    sigprocmask(SIG_SETMASK, &old, NULL);
    REPORT(sigprocmask(99, &set, NULL));
}

static void faults(void)
{
    install(SIGSEGV, fault, 0);
    forbidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(escape, 1) == 0)
        *(volatile char *)forbidden = 1;
    forbidden = (char *)16;
    if (sigsetjmp(escape, 1) == 0)
        *(volatile char *)forbidden = 1;
    install(SIGILL, fault, 0);
    if (sigsetjmp(escape, 1) == 0)
        __asm__ volatile("ud2");
}

int main(void)
{
    install(SIGUSR1, handler, 0);
    install(SIGUSR2, handler, 0);
    raise(SIGUSR1);
    install(SIGUSR1, handler, SA_NODEFER);
    raise(SIGUSR1);
    masks();
    REPORT(kill(getpid(), SIGUSR2));
    REPORT(kill(getpid(), 0));
    REPORT(kill(getpid(), 99));
    install(SIGUSR2, handler, SA_RESETHAND);
    raise(SIGUSR2);
    struct sigaction now;
    REPORT(sigaction(SIGUSR2, NULL, &now));
    HOLDS(now.sa_handler == SIG_DFL);
    signal(SIGUSR2, SIG_IGN);
    REPORT(raise(SIGUSR2));
    REPORT(sigaction(SIGKILL, &now, NULL));
    REPORT(sigaction(65, NULL, &now));
    faults();
    signal(SIGPIPE, SIG_IGN);
    int ends[2];
    pipe(ends);
    close(ends[0]);
    REPORT(write(ends[1], "x", 1));
}
