/* Standard input becomes readable when there is some, for poll, select and epoll. */
#include "report.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

int main(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    struct epoll_event event = {.events = EPOLLIN};
    fd_set set;
    char line[100];
    int epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);

    for (int round = 0; round < 3; round++) {
        printf("round %d\n", round);
        fflush(stdout);
        REPORT(poll(&input, 1, -1));
        /* At its end a pipe says POLLHUP, a file POLLIN. */
        HOLDS(input.revents & (POLLIN | POLLHUP));
        REPORT(epoll_wait(epoll, &event, 1, -1));
        FD_ZERO(&set);
        FD_SET(0, &set);
        REPORT(select(1, &set, NULL, NULL, NULL));
        ssize_t length = read(0, line, sizeof line);
        printf("[%.*s]\n", (int)length, line);
    }
}
