/* Says every few milliseconds what time it is, in nanoseconds by both clocks, for as many seconds
 * as it is told. Ends with 1 when the monotonic clock has gone back. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { READINGS = 1000, PAUSE_NS = 10 * 1000 * 1000 };

static long long now(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) < 0)
        abort();
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
    long long seconds = argc > 1 ? atoll(argv[1]) : 1;
    long long start = now(CLOCK_MONOTONIC), last = start;
    while (last - start < seconds * 1000000000LL) {
        for (int reading = 0; reading < READINGS; reading++) {
            long long time = now(CLOCK_MONOTONIC);
            if (time < last) {
                fprintf(stderr, "%lld after %lld\n", time, last);
                return 1;
            }
            last = time;
        }
        long long real = now(CLOCK_REALTIME);
        printf("%lld %lld\n", last = now(CLOCK_MONOTONIC), real);
        fflush(stdout);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return 0;
}
