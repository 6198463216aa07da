/* Descriptors that stand for events: counters and timers. */
#include "report.h"

#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void take(int descriptor)
{
    uint64_t value = 0;
    REPORT(read(descriptor, &value, sizeof value));
    printf("value %llu\n", (unsigned long long)value);
}

static void give(int descriptor, uint64_t value)
{
    REPORT(write(descriptor, &value, sizeof value));
}

static void counters(void)
{
    int counter = eventfd(3, EFD_NONBLOCK);
    give(counter, 4);
    take(counter);
    take(counter);
    give(counter, UINT64_MAX);
    give(counter, UINT64_MAX - 1);
    struct pollfd both = {counter, POLLIN | POLLOUT, 0};
    REPORT(poll(&both, 1, 0));
    printf("%#x\n", both.revents);
    give(counter, 1);
    take(counter);
    REPORT(read(counter, &(uint32_t){0}, 4));
    int semaphore = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    take(semaphore);
    take(semaphore);
    take(semaphore);
    REPORT(eventfd(0, 0x40));
}

static void timers(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct itimerspec setting = {{0, 0}, {0, 20000000}}, left;
    take(timer);
    REPORT(timerfd_settime(timer, 0, &setting, NULL));
    take(timer);
    REPORT(timerfd_gettime(timer, &left));
    HOLDS(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 20000000);
    struct pollfd readable = {timer, POLLIN, 0};
    REPORT(poll(&readable, 1, 5000));
    take(timer);
    take(timer);

    setting = (struct itimerspec){{0, 5000000}, {0, 1}};
    REPORT(timerfd_settime(timer, 0, &setting, NULL));
    nanosleep(&(struct timespec){0, 52000000}, NULL);
    uint64_t count = 0;
    REPORT(read(timer, &count, sizeof count));
    HOLDS(count >= 10);
    setting = (struct itimerspec){0};
    REPORT(timerfd_settime(timer, 0, &setting, &left));
    HOLDS(left.it_interval.tv_nsec == 5000000);
    take(timer);

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    setting.it_value = now;
    REPORT(timerfd_settime(timer, TFD_TIMER_ABSTIME, &setting, NULL));
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.u64 = 7}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event);
    REPORT(epoll_wait(epoll, &event, 1, 5000));
    printf("%llu\n", (unsigned long long)event.data.u64);
    setting.it_value.tv_nsec = -1;
    REPORT(timerfd_settime(timer, 0, &setting, NULL));
    REPORT(timerfd_settime(0, 0, &setting, NULL));
    REPORT(timerfd_create(99, 0));
}

int main(void)
{
    counters();
    timers();
}
