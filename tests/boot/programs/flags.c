/* Flags that stop a kernel which is not careful: stepping, and the nested task, over system calls. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t steps, signals;

static void count_step(int number)
{
    (void)number;
    steps++;
}

static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* Has the interrupted program be stepped through, from its next instruction on. */
static void begin_stepping(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x100;
}

static void end_stepping(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
    steps++;
}

/* Makes a system call, with more flags set before it and the same ones cleared after it. */
static long call_with_flags(long flags, long number, long first, long second)
{
    long result = number;
    __asm__ volatile("sub $128, %%rsp\n\t" /* the red zone */
                     "pushfq\n\t"
                     "or %1, (%%rsp)\n\t"
                     "popfq\n\t"
                     "syscall\n\t"
                     "pushfq\n\t"
                     "not %1\n\t"
                     "and %1, (%%rsp)\n\t"
                     "popfq\n\t"
                     "add $128, %%rsp"
                     : "+a"(result), "+r"(flags)
                     : "D"(first), "S"(second)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

int main(void)
{
    const long trap = 0x100, nested_task = 0x4000;
    signal(SIGTRAP, count_step);
    signal(SIGUSR1, count_signal);
    long result = call_with_flags(trap, SYS_getpid, 0, 0);
    printf("stepped over a call: %d %d\n", result == getpid(), steps > 0);
    result = call_with_flags(nested_task, SYS_getpid, 0, 0);
    printf("a call in a nested task: %d\n", result == getpid());
    /* The handler is entered by the way back that loads all registers. */
    result = call_with_flags(nested_task, SYS_kill, getpid(), SIGUSR1);
    printf("a signal in a nested task: %ld %d\n", result, (int)signals);

    struct sigaction begin = {.sa_sigaction = begin_stepping, .sa_flags = SA_SIGINFO};
    struct sigaction end = {.sa_sigaction = end_stepping, .sa_flags = SA_SIGINFO};
    steps = 0;
    sigaction(SIGTRAP, &end, NULL);
    sigaction(SIGUSR1, &begin, NULL);
    kill(getpid(), SIGUSR1);
    printf("steps that a handler asked for: %d\n", (int)steps);
}
