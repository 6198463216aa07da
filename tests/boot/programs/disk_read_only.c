/* A disk, whose name is in DISK, that may not be written. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(void)
{
    char byte;
    int read_only = 7;
    int disk = open(getenv("DISK"), O_RDWR);
    HOLDS(disk >= 0);
    REPORT(ioctl(disk, BLKROGET, &read_only));
    printf("%d\n", read_only);
    REPORT(read(disk, &byte, 1));
    REPORT(write(disk, &byte, 1));
    REPORT(fsync(disk));
}
