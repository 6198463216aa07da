/* A pair of connected sockets in one process, and files sent through it. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static void take(int end)
{
    char text[100] = "";
    ssize_t length = recv(end, text, sizeof text - 1, MSG_DONTWAIT);
    printf("%zd [%s] %s\n", length, text, length < 0 ? strerror(errno) : "");
}

static void events(const char *when)
{
    struct pollfd both[] = {{pair[0], POLLIN | POLLOUT, 0}, {pair[1], POLLIN | POLLOUT, 0}};
    int count = poll(both, 2, 0);
    printf("%s: %d, %#x %#x\n", when, count, both[0].revents, both[1].revents);
}

static void file(void)
{
    chdir(getenv("TMPDIR"));
    int file = open("sent", O_RDWR | O_CREAT, 0600);
    REPORT(write(file, "from a file", 11));
    off_t offset = 5;
    REPORT(sendfile(pair[0], file, &offset, 100));
    printf("offset %ld\n", (long)offset);
    take(pair[1]);
    REPORT(lseek(file, 0, SEEK_SET));
    REPORT(sendfile(pair[0], file, NULL, 4));
    REPORT(lseek(file, 0, SEEK_CUR));
    take(pair[1]);
    REPORT(sendfile(pair[0], pair[1], NULL, 4));
}

int main(void)
{
    REPORT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    events("fresh");
    take(pair[0]);
    REPORT(send(pair[0], "to and ", 7, 0));
    REPORT(write(pair[0], "fro", 3));
    events("written");
    int pending;
    REPORT(ioctl(pair[1], FIONREAD, &pending));
    printf("%d pending\n", pending);
    take(pair[1]);
    REPORT(write(pair[1], "back", 4));
    take(pair[0]);
    file();
    REPORT(shutdown(pair[0], SHUT_WR));
    events("shut");
    take(pair[1]);
    REPORT(send(pair[0], "x", 1, MSG_NOSIGNAL));
    REPORT(write(pair[1], "still", 5));
    take(pair[0]);
    REPORT(close(pair[0]));
    struct pollfd other = {pair[1], POLLIN | POLLOUT, 0};
    REPORT(poll(&other, 1, 0));
    printf("%#x\n", other.revents);
    REPORT(send(pair[1], "x", 1, MSG_NOSIGNAL));
    REPORT(lseek(pair[1], 0, SEEK_SET));
    REPORT(socketpair(AF_UNIX, SOCK_STREAM, 99, pair));
    REPORT(socketpair(12345, SOCK_STREAM, 0, pair));
}
