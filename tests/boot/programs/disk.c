/* A disk, whose name is in DISK, read and written in every way there is. It holds 1 MiB and 512
 * bytes, of which each is the number of its sector. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512
#define LARGE (512 * 1024)

static char *buffer;

static void describe(int disk)
{
    struct stat status;
    REPORT(fstat(disk, &status));
    HOLDS(S_ISBLK(status.st_mode));
    printf("size %ld\n", (long)status.st_size);
    uint64_t bytes = 0;
    unsigned long sectors = 0;
    int sector = 0, cached = 0, read_only = 7;
    REPORT(ioctl(disk, BLKGETSIZE64, &bytes));
    REPORT(ioctl(disk, BLKGETSIZE, &sectors));
    REPORT(ioctl(disk, BLKSSZGET, &sector));
    REPORT(ioctl(disk, BLKBSZGET, &cached));
    REPORT(ioctl(disk, BLKROGET, &read_only));
    printf("%lu bytes, %lu sectors of %d\n", (unsigned long)bytes, sectors, sector);
    printf("cached by %d, read-only %d\n", cached, read_only);
    REPORT(ioctl(1, BLKGETSIZE64, &bytes));
    struct pollfd poll_disk = {.fd = disk, .events = POLLIN | POLLOUT};
    REPORT(poll(&poll_disk, 1, 0));
    printf("%#x\n", poll_disk.revents);
}

static void seek(int disk)
{
    REPORT(lseek(disk, 0, SEEK_END));
    REPORT(read(disk, buffer, 10));
    REPORT(write(disk, "x", 1));
    REPORT(lseek(disk, 1, SEEK_END));
    REPORT(lseek(disk, -1, SEEK_SET));
    REPORT(lseek(disk, -100, SEEK_END));
    REPORT(read(disk, buffer, 4096));
    REPORT(lseek(disk, -100, SEEK_END));
    memset(buffer, 'e', 4096);
    REPORT(write(disk, buffer, 4096));
    REPORT(ftruncate(disk, 100));
    REPORT(pread(disk, buffer, 10, 1L << 40));
    REPORT(pwrite(disk, buffer, 10, 1L << 40));
    REPORT(pread(disk, buffer, 10, -1));
}

static void transfer(int disk)
{
    char first[10] = "", second[20] = "";
    struct iovec parts[] = {{first, sizeof first - 1}, {NULL, 0}, {second, sizeof second - 1}};
    REPORT(pwrite(disk, "between two sectors", 19, 5 * SECTOR - 7));
    REPORT(preadv(disk, parts, 3, 5 * SECTOR - 7));
    printf("[%s] [%s]\n", first, second);
    REPORT(lseek(disk, 10 * SECTOR - 3, SEEK_SET));
    REPORT(writev(disk, parts, 3));
    REPORT(lseek(disk, 0, SEEK_CUR));
    for (int at = 0; at < LARGE; at++)
        buffer[at] = (char)(at * 7 + at / 4096);
    REPORT(pwrite(disk, buffer, LARGE, 100 * SECTOR + 13));
    memset(buffer, 0, LARGE);
    REPORT(pread(disk, buffer, LARGE, 100 * SECTOR + 13));
    int wrong = 0;
    for (int at = 0; at < LARGE; at++)
        wrong += buffer[at] != (char)(at * 7 + at / 4096);
    printf("%d bytes are wrong\n", wrong);
    REPORT(fsync(disk));
    REPORT(fdatasync(disk));
}

/* Past the cache, and yet in step with who goes through it. */
static void direct(int disk, const char *name)
{
    int other = open(name, O_RDWR | O_DIRECT);
    HOLDS(other >= 0);
    HOLDS((fcntl(other, F_GETFL) & O_DIRECT) != 0);
    REPORT(pwrite(disk, "cached", 6, 20 * SECTOR));
    REPORT(pread(other, buffer, SECTOR, 20 * SECTOR));
    printf("%.6s\n", buffer);
    memset(buffer, 'd', 4 * SECTOR);
    REPORT(pwrite(other, buffer, 4 * SECTOR, 21 * SECTOR));
    REPORT(pread(disk, buffer, 3 * SECTOR, 20 * SECTOR));
    printf("%.6s %c\n", buffer, buffer[SECTOR]);
    REPORT(pread(other, buffer, 100, 0));
    REPORT(pwrite(other, buffer, SECTOR, 100));
    REPORT(pread(other, buffer, LARGE, 0));
    REPORT(pread(other, buffer, 4 * SECTOR, 1024 * 1024));
    REPORT(fcntl(other, F_SETFL, 0));
    REPORT(pread(other, buffer, 100, 3));
    REPORT(close(other));
}

static void durable(const char *name)
{
    int disk = open(name, O_WRONLY | O_DSYNC);
    HOLDS(disk >= 0);
    REPORT(pwrite(disk, "durable", 7, 40 * SECTOR));
    REPORT(read(disk, buffer, 1));
    REPORT(ioctl(disk, BLKFLSBUF, 0));
    uint64_t odd[] = {1, SECTOR}, beyond[] = {0, 1L << 40};
    REPORT(ioctl(disk, BLKDISCARD, odd));
    REPORT(ioctl(disk, BLKDISCARD, beyond));
    REPORT(close(disk));
    int reader = open(name, O_RDONLY);
    uint64_t some[] = {60 * SECTOR, 8 * SECTOR};
    REPORT(ioctl(reader, BLKDISCARD, some));
    REPORT(write(reader, "x", 1));
    REPORT(close(reader));
}

int main(void)
{
    const char *name = getenv("DISK");
    buffer = aligned_alloc(4096, LARGE);
    struct stat status;
    REPORT(stat(name, &status));
    HOLDS(S_ISBLK(status.st_mode));
    int disk = open(name, O_RDWR);
    HOLDS(disk >= 0);
    describe(disk);
    REPORT(read(disk, buffer, 3 * SECTOR));
    printf("%d %d %d\n", buffer[0], buffer[SECTOR], buffer[3 * SECTOR - 1]);
    transfer(disk);
    direct(disk, name);
    durable(name);
    seek(disk);
    /* The end of the program is as good as a sync. */
    REPORT(pwrite(disk, "last words", 10, 50 * SECTOR));
}
