/* Doubles in registers while a timer interrupts the computation, with a handler that computes
   too: each round gives the same sum. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks;
static volatile double disturbance = 1.5;

static void handler(int number)
{
    (void)number;
    double value = disturbance;
    for (int round = 0; round < 50; round++)
        value = sqrt(value * 7.0 + round) - 0.25;
    disturbance = value;
    ticks++;
}

static double round_sum(void)
{
    double a = 1, b = 2, c = 3, d = 5, e = 7, f = 11;
    for (int step = 0; step < 20000; step++) {
        a += 1e-3 * b;
        b += 1e-3 * c - 1e-4 * a;
        c = sqrt(c * c + 1e-6 * d);
        d -= 1e-5 * e;
        e += 1e-5 * f;
        f = f * 0.99999 + 1e-5 * a;
    }
    return a + b + c + d + e + f;
}

int main(void)
{
    double expected = round_sum();
    signal(SIGALRM, handler);
    struct itimerval interval = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &interval, NULL);
    int wrong = 0;
    while (ticks < 50)
        wrong += round_sum() != expected;
    printf("%d rounds were wrong\n", wrong);
    return wrong != 0;
}
