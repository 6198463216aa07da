/* Pipes: order, atomicity, ends that are closed, and what cannot be done with them. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    static char large[100000];
    char text[20] = "";
    int ends[2];
    struct stat status;
    REPORT(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    REPORT(fcntl(ends[0], F_GETFD));
    REPORT(read(ends[0], text, sizeof text));
    REPORT(write(ends[1], "first", 5));
    REPORT(write(ends[1], "second", 6));
    int pending;
    REPORT(ioctl(ends[0], FIONREAD, &pending));
    printf("%d pending\n", pending);
    REPORT(read(ends[0], text, 7));
    printf("[%s]\n", text);
    /* How much fits is the home's business; writes up to PIPE_BUF go whole or not at all. */
    HOLDS(write(ends[1], large, sizeof large) >= 4096);
    REPORT(write(ends[1], large, 4096));
    REPORT(read(ends[0], large, 1000));
    REPORT(write(ends[1], large, 4096));
    REPORT(read(ends[0], large, 8192));
    REPORT(write(ends[1], large, 4096));
    REPORT(lseek(ends[0], 0, SEEK_SET));
    REPORT(write(ends[0], "x", 1));
    REPORT(read(ends[1], text, 1));
    REPORT(pread(ends[0], text, 1, 0));
    REPORT(ftruncate(ends[1], 0));
    REPORT(fstat(ends[0], &status));
    HOLDS(S_ISFIFO(status.st_mode));
    REPORT(close(ends[1]));
    while (read(ends[0], large, sizeof large) > 0)
        ;
    REPORT(read(ends[0], text, 1));
    REPORT(pipe2(ends, 0x40));
}
