/* Waits for a signal in the way given; the handler's word and the call's result are said last. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void handler(int number)
{
    caught = number;
}

static int compute(void)
{
    for (volatile unsigned long count = 0; !caught; count++)
        ;
    return 0;
}

static int wait_in(const char *way)
{
    char byte;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    struct timespec minute = {.tv_sec = 60};
    fd_set set;
    struct epoll_event event = {.events = EPOLLIN};

    if (strcmp(way, "compute") == 0)
        return compute();
    if (strcmp(way, "read") == 0)
        return read(0, &byte, 1);
    if (strcmp(way, "poll") == 0)
        return poll(&input, 1, -1);
    if (strcmp(way, "select") == 0) {
        FD_ZERO(&set);
        FD_SET(0, &set);
        return select(1, &set, NULL, NULL, NULL);
    }
    if (strcmp(way, "epoll") == 0) {
        int epoll = epoll_create1(0);
        epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
        return epoll_wait(epoll, &event, 1, -1);
    }
    if (strcmp(way, "nanosleep") == 0)
        return nanosleep(&minute, NULL);
    return pause();
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (argc != 2)
        return 1;
    printf("ready\n");
    fflush(stdout);
    int result = wait_in(argv[1]);
    printf("%s: %d (%s), signal %d\n", argv[1], result, strerror(errno), (int)caught);
    return 70 + caught;
}
