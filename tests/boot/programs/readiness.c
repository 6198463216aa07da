/* select, poll and epoll on pipes, files and bad descriptors. */
#include "report.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static int ends[2];

static void poll_both(const char *when)
{
    struct pollfd both[] = {{ends[0], POLLIN, 0}, {-1, POLLIN, 0}, {ends[1], POLLOUT, 0}};
    int count = poll(both, 3, 0);
    printf("%s: poll %d, %#x %#x %#x\n", when, count, both[0].revents, both[1].revents,
           both[2].revents);
}

static void select_both(const char *when)
{
    fd_set readable, writable;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(ends[0], &readable);
    FD_SET(ends[1], &writable);
    struct timeval none = {0, 0};
    int count = select(ends[1] + 1, &readable, &writable, NULL, &none);
    printf("%s: select %d, %d %d\n", when, count, !!FD_ISSET(ends[0], &readable),
           !!FD_ISSET(ends[1], &writable));
}

static void epoll_both(const char *when, int epoll)
{
    struct epoll_event events[4];
    int count = epoll_wait(epoll, events, 4, 0);
    unsigned reader = 0, writer = 0;
    for (int index = 0; index < count; index++)
        *(events[index].data.u32 ? &writer : &reader) = events[index].events;
    printf("%s: epoll %d, %#x %#x\n", when, count, reader, writer);
}

static void fill(void)
{
    static char page[4096];
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    long total = 0, count;
    while ((count = write(ends[1], page, sizeof page)) > 0)
        total += count;
    printf("a pipe takes %ld bytes, then: %s\n", total, strerror(errno));
}

static void drain(void)
{
    static char buffer[1 << 17];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while (read(ends[0], buffer, sizeof buffer) > 0)
        ;
    printf("drained: %s\n", strerror(errno));
}

static void all(const char *when, int epoll)
{
    poll_both(when);
    select_both(when);
    epoll_both(when, epoll);
}

static void pipes(void)
{
    pipe(ends);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event reader = {EPOLLIN, {.u32 = 0}}, writer = {EPOLLOUT, {.u32 = 1}};
    REPORT(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &reader));
    REPORT(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &writer));
    REPORT(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &writer));
    all("empty", epoll);
    write(ends[1], "x", 1);
    all("a byte", epoll);
    fill();
    all("full", epoll);
    drain();
    all("drained", epoll);
    writer.events = 0;
    REPORT(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &writer));
    epoll_both("output not watched", epoll);
    REPORT(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL));
    REPORT(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL));
    close(ends[1]);
    struct pollfd one = {ends[0], POLLIN, 0};
    REPORT(poll(&one, 1, 1000));
    printf("writer closed: %#x\n", one.revents);
    epoll_both("writer closed", epoll);
    pipe(ends);
    close(ends[0]);
    one = (struct pollfd){ends[1], POLLOUT, 0};
    REPORT(poll(&one, 1, 1000));
    printf("reader closed: %#x\n", one.revents);
}

static void edge_and_once(void)
{
    pipe(ends);
    int epoll = epoll_create1(0);
    struct epoll_event edge = {EPOLLIN | EPOLLET, {.u32 = 0}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &edge);
    write(ends[1], "x", 1);
    epoll_both("edge", epoll);
    epoll_both("no edge", epoll);
    write(ends[1], "x", 1);
    epoll_both("another edge", epoll);
    struct epoll_event once = {EPOLLIN | EPOLLONESHOT, {.u32 = 0}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &once);
    epoll_both("once", epoll);
    epoll_both("not twice", epoll);
}

static void others(void)
{
    int event = eventfd(0, EFD_NONBLOCK);
    struct pollfd some[] = {{event, POLLIN | POLLOUT, 0}, {99, POLLIN, 0}};
    REPORT(poll(some, 2, 1000));
    printf("%#x %#x\n", some[0].revents, some[1].revents);
    REPORT(write(event, &(long){3}, 8));
    REPORT(poll(some, 1, 0));
    printf("%#x\n", some[0].revents);
    REPORT(epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, 99, &(struct epoll_event){0}));
    fd_set bad;
    FD_ZERO(&bad);
    /* Below 64: Linux leaves out what lies beyond its table, which holds 64 at first. */
    FD_SET(61, &bad);
    REPORT(select(62, &bad, NULL, NULL, &(struct timeval){0, 0}));
}

static void timeouts(void)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    REPORT(poll(NULL, 0, 20));
    struct timeval span = {0, 20000};
    REPORT(select(0, NULL, NULL, NULL, &span));
    struct epoll_event event;
    REPORT(epoll_wait(epoll_create1(0), &event, 1, 20));
    clock_gettime(CLOCK_MONOTONIC, &end);
    long elapsed = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
    HOLDS(elapsed >= 60 && elapsed < 10000);
}

int main(void)
{
    pipes();
    edge_and_once();
    others();
    timeouts();
}
