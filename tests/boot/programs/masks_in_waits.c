/* Signals that a wait lets in by a mask of its own: ppoll, pselect, epoll_pwait, sigwait. */
#define _GNU_SOURCE
#include "report.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static volatile int caught;

static void handler(int number)
{
    (void)number;
    caught++;
}

int main(void)
{
    sigset_t blocked, open, pending;
    struct timespec second = {1, 0}, moment = {0, 1000000};
    struct epoll_event event;
    siginfo_t info;
    signal(SIGUSR1, handler);
    sigemptyset(&open);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    int epoll = epoll_create1(0);

    raise(SIGUSR1);
    REPORT(ppoll(NULL, 0, &moment, NULL));
    HOLDS(caught == 0);
    REPORT(ppoll(NULL, 0, &second, &open));
    HOLDS(caught == 1);
    raise(SIGUSR1);
    REPORT(pselect(0, NULL, NULL, NULL, &second, &open));
    HOLDS(caught == 2);
    raise(SIGUSR1);
    REPORT(epoll_pwait(epoll, &event, 1, 1000, &open));
    HOLDS(caught == 3);
    sigprocmask(SIG_SETMASK, NULL, &pending);
    HOLDS(sigismember(&pending, SIGUSR1));

    raise(SIGUSR1);
    int number = 0;
    REPORT(sigwait(&blocked, &number));
    printf("%d, caught %d\n", number, caught);
    REPORT(sigtimedwait(&blocked, &info, &moment));
    kill(getpid(), SIGUSR1);
    REPORT(sigwaitinfo(&blocked, &info));
    HOLDS(info.si_signo == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid());
    HOLDS(caught == 3);
}
