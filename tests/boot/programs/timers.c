/* setitimer and alarm: when they fire, how often, and what is left of them. */
#include "report.h"

#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int ticks;

static void handler(int number)
{
    (void)number;
    ticks++;
}

static long milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int main(void)
{
    struct itimerval once = {.it_value = {0, 30000}}, left;
    signal(SIGALRM, handler);

    long start = milliseconds();
    REPORT(setitimer(ITIMER_REAL, &once, NULL));
    REPORT(pause());
    HOLDS(milliseconds() - start >= 30);
    REPORT(getitimer(ITIMER_REAL, &left));
    HOLDS(left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0);

    struct itimerval often = {{0, 5000}, {0, 5000}};
    ticks = 0;
    start = milliseconds();
    REPORT(setitimer(ITIMER_REAL, &often, NULL));
    while (ticks < 10)
        pause();
    HOLDS(milliseconds() - start >= 50);
    REPORT(setitimer(ITIMER_REAL, &(struct itimerval){0}, &left));
    HOLDS(left.it_interval.tv_usec == 5000 && left.it_value.tv_usec <= 5000);

    REPORT(alarm(100));
    REPORT(alarm(1) > 98);
    start = milliseconds();
    REPORT(pause());
    HOLDS(milliseconds() - start >= 900);
    REPORT(alarm(0));
    once.it_value.tv_usec = 1000000;
    REPORT(setitimer(ITIMER_REAL, &once, NULL));
    REPORT(setitimer(99, &often, NULL));
}
