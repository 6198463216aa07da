/* A signal on its own stack, where the program's has run out. */
#define _GNU_SOURCE
#include "report.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

static char stack[32768];
static sigjmp_buf escape;
static volatile int was_on_stack;
static volatile uintptr_t deepest;
static volatile int goes_on = 1;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    char here;
    was_on_stack = &here >= stack && &here < stack + sizeof stack;
    stack_t current;
    sigaltstack(NULL, &current);
    printf("signal %d, code %d, flags %d\n", number, info->si_code, current.ss_flags);
    if (number == SIGSEGV)
        siglongjmp(escape, 1);
}

static int dive(volatile char *above)
{
    volatile char room[4096];
    room[0] = above[0];
    deepest = (uintptr_t)room;
    return goes_on ? dive(room) + room[0] : 0;
}

int main(void)
{
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack}, old;
    REPORT(sigaltstack(&alternate, &old));
    HOLDS(old.ss_flags == SS_DISABLE);
    alternate.ss_size = 100;
    REPORT(sigaltstack(&alternate, NULL));

    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    HOLDS(was_on_stack);
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    raise(SIGUSR1);
    HOLDS(was_on_stack);

    for (int round = 0; round < 2; round++) {
        was_on_stack = 0;
        char top = 0;
        if (sigsetjmp(escape, 1) == 0)
            printf("%d\n", dive(&top));
        HOLDS(was_on_stack);
        HOLDS((uintptr_t)&top - deepest > 100000);
    }
}
