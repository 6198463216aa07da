/* A timer that is set by a program that has computed for a while, and goes on computing. */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;

static void count(int number)
{
    (void)number;
    ticks++;
}

int main(void)
{
    /* Without a system call, which would have the kernel look at its clock. */
    for (volatile long step = 0; step < 400000000; step++)
        ;
    signal(SIGALRM, count);
    struct itimerval interval = {{0, 10000}, {0, 10000}};
    setitimer(ITIMER_REAL, &interval, NULL);
    while (ticks < 10)
        ;
    printf("ten ticks\n");
}
