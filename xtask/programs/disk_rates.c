/*
 * disk_rates - how fast a disk is read and written, past every cache of the system's.
 *
 *     disk_rates DISK
 *
 * One request at a time: 4 KiB at places drawn at random, and 1 MiB one behind the other, each as
 * reads and as writes. Prints a line for each of the four: requests a second. The disk is
 * overwritten. The clock is asked once in many requests, since asking costs as much as some.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SMALL = 4096, LARGE = 1 << 20 };

/* How long requests are made before they count, and how long they count, in seconds. */
static const double WARM_UP = 0.3, COUNTED = 1.0;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Marsaglia's xorshift with 64 bits: the same places in every run. */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

struct work {
    const char *name;
    size_t length;
    int writes, is_random;
};

struct disk {
    int file;
    uint64_t length;
    char *buffer;
    uint64_t random, next;
};

static void request(struct disk *disk, const struct work *work)
{
    uint64_t places = disk->length / work->length;
    uint64_t place = (work->is_random ? draw(&disk->random) : disk->next++) % places;
    off_t offset = (off_t)(place * work->length);
    ssize_t done = work->writes ? pwrite(disk->file, disk->buffer, work->length, offset)
                                : pread(disk->file, disk->buffer, work->length, offset);
    if (done != (ssize_t)work->length)
        fail(work->name);
}

/* Requests a second over `seconds`. */
static double rate(struct disk *disk, const struct work *work, double seconds)
{
    int batch = work->length == SMALL ? 64 : 4;
    uint64_t count = 0;
    double start = now(), end;
    do {
        for (int i = 0; i < batch; i++)
            request(disk, work);
        count += batch;
        end = now();
    } while (end - start < seconds);
    return count / (end - start);
}

int main(int argc, char **argv)
{
    static const struct work works[] = {
        {"random reads", SMALL, 0, 1},
        {"random writes", SMALL, 1, 1},
        {"sequential reads", LARGE, 0, 0},
        {"sequential writes", LARGE, 1, 0},
    };
    struct disk disk = {.random = 88172645463325252};
    if (argc != 2)
        return 2;
    disk.file = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
    if (disk.file < 0)
        fail(argv[1]);
    off_t end = lseek(disk.file, 0, SEEK_END);
    if (end < LARGE || posix_memalign((void **)&disk.buffer, SMALL, LARGE))
        fail("disk_rates");
    disk.length = end;
    memset(disk.buffer, 0x5a, LARGE);
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        rate(&disk, &works[i], WARM_UP);
        printf("%s: %.0f\n", works[i].name, rate(&disk, &works[i], COUNTED));
    }
    return 0;
}
