/* Clocks never go back, and sleeps last as long as they should. */
#include "report.h"

#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int goes_back(clockid_t clock)
{
    long long last = now(clock);
    for (int count = 0; count < 100000; count++) {
        long long next = now(clock);
        if (next < last)
            return 1;
        last = next;
    }
    return 0;
}

/* Whether what began at `start` took at least this long, and not absurdly longer. */
static int lasted(long long start, long milliseconds)
{
    long long elapsed = now(CLOCK_MONOTONIC) - start;
    return elapsed >= milliseconds * 1000000LL && elapsed < 10000000000LL;
}

int main(void)
{
    HOLDS(goes_back(CLOCK_MONOTONIC));
    HOLDS(goes_back(CLOCK_REALTIME));
    HOLDS(now(CLOCK_REALTIME) > 1700000000LL * 1000000000LL);
    HOLDS(time(NULL) - now(CLOCK_REALTIME) / 1000000000LL <= 1);
    struct timeval day;
    REPORT(gettimeofday(&day, NULL));
    HOLDS(llabs(day.tv_sec - now(CLOCK_REALTIME) / 1000000000LL) <= 1);

    for (int milliseconds = 1; milliseconds <= 64; milliseconds *= 4) {
        long long start = now(CLOCK_MONOTONIC);
        struct timespec span = {.tv_nsec = milliseconds * 1000000L};
        REPORT(nanosleep(&span, NULL));
        HOLDS(lasted(start, milliseconds));
    }
    long long start = now(CLOCK_MONOTONIC);
    long long until = start + 30000000;
    struct timespec point = {until / 1000000000, until % 1000000000};
    REPORT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, NULL));
    HOLDS(lasted(start, 30));
    REPORT(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, NULL));
    struct timespec wrong = {.tv_nsec = 1000000000};
    REPORT(nanosleep(&wrong, NULL));
    start = now(CLOCK_MONOTONIC);
    REPORT(usleep(5000));
    HOLDS(lasted(start, 5));
    REPORT(clock_gettime(99, &point));
    HOLDS(clock() >= 0);
}
