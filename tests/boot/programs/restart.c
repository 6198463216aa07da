/* A signal during a call that waits: taken up again with SA_RESTART, EINTR without. */
#include "report.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int ends[2];
static volatile int count;

static void handler(int number)
{
    (void)number;
    if (++count == 3)
        (void)!write(ends[1], "x", 1);
}

static void tick_with(int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval interval = {{0, 100000}, {0, 100000}};
    sigaction(SIGALRM, &action, NULL);
    count = 0;
    setitimer(ITIMER_REAL, &interval, NULL);
}

int main(void)
{
    char byte = 0;
    struct pollfd reader = {.events = POLLIN};
    pipe(ends);
    reader.fd = ends[0];

    tick_with(SA_RESTART);
    REPORT(read(ends[0], &byte, 1));
    printf("[%c]\n", byte);
    HOLDS(count == 3);

    tick_with(0);
    REPORT(read(ends[0], &byte, 1));
    HOLDS(count == 1);

    tick_with(SA_RESTART);
    REPORT(poll(&reader, 1, -1));
    HOLDS(count == 1);

    struct timespec span = {60, 0}, left;
    tick_with(SA_RESTART);
    REPORT(nanosleep(&span, &left));
    HOLDS(left.tv_sec >= 50 && left.tv_sec < 60);

    tick_with(SA_RESTART);
    REPORT(pause());
}
