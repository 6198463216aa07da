/* Flags that stop a kernel which is not careful: stepping, and the nested task, over system calls. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
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
}
