/*
 * counter_rate - prints how many thousand times a second this processor's time stamp counter
 * ticks, which is what a translated machine's does too.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

/* A reading of both clocks that nothing came between, or nearly so: the shortest of several. */
static unsigned long long read_both(long long *nanoseconds)
{
    unsigned long long counter = 0, shortest = ~0ULL;
    for (int i = 0; i < 100; i++) {
        struct timespec now;
        unsigned long long before = __rdtsc();
        clock_gettime(CLOCK_MONOTONIC, &now);
        unsigned long long took = __rdtsc() - before;
        if (took < shortest) {
            shortest = took;
            counter = before + took / 2;
            *nanoseconds = now.tv_sec * 1000000000LL + now.tv_nsec;
        }
    }
    return counter;
}

int main(void)
{
    long long start, end;
    unsigned long long first = read_both(&start);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    unsigned long long last = read_both(&end);
    printf("%.0f\n", (last - first) * 1e6 / (end - start));
    return 0;
}
