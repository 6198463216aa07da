/* Smaller calls that programs make on their way. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/times.h>
#include <termios.h>
#include <unistd.h>

static void descriptors(void)
{
    int ends[2];
    struct winsize size;
    pipe(ends);
    REPORT(dup3(ends[0], 90, O_CLOEXEC));
    REPORT(fcntl(90, F_GETFD));
    REPORT(dup3(ends[0], ends[0], 0));
    REPORT(fcntl(ends[0], F_DUPFD, 100));
    REPORT(fcntl(ends[0], F_SETFD, FD_CLOEXEC));
    REPORT(fcntl(ends[0], F_GETFD));
    REPORT(ioctl(ends[0], FIONBIO, &(int){1}));
    REPORT(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
    REPORT(ioctl(ends[0], TIOCGWINSZ, &size));
    REPORT(ioctl(99, TIOCGWINSZ, &size));
    REPORT(fcntl(99, F_GETFD));
    REPORT(fcntl(ends[0], 9999));
    REPORT(tcgetattr(ends[0], &(struct termios){0}));
}

static void files(void)
{
    struct stat status;
    struct statvfs space;
    chdir(getenv("TMPDIR"));
    int file = open("file", O_RDWR | O_CREAT, 0600);
    REPORT(fsync(file));
    REPORT(fdatasync(file));
    REPORT(flock(file, LOCK_EX));
    struct flock lock = {.l_type = F_WRLCK};
    REPORT(fcntl(file, F_SETLK, &lock));
    REPORT(fcntl(file, F_GETLK, &lock));
    HOLDS(lock.l_type == F_UNLCK);
    REPORT(truncate("file", 100));
    REPORT(chmod("file", 0640));
    REPORT(stat("file", &status));
    printf("%o, %ld bytes\n", status.st_mode, (long)status.st_size);
    HOLDS(status.st_uid == getuid());
    REPORT(statvfs(".", &space));
    HOLDS(space.f_bsize > 0 && space.f_bfree <= space.f_blocks);
    REPORT(faccessat(AT_FDCWD, "file", W_OK, 0));
    REPORT(umask(077));
    REPORT(umask(022));
}

static void process(void)
{
    char name[16] = "";
    cpu_set_t set;
    struct tms times_used;
    REPORT(prctl(PR_SET_NAME, "renamed"));
    REPORT(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    HOLDS(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    REPORT(sched_yield());
    HOLDS(times(&times_used) != (clock_t)-1);
    HOLDS(getpgrp() > 0 && getsid(0) >= 0);
    char *line = NULL;
    size_t room = 0;
    FILE *status = fopen("/proc/self/stat", "r");
    HOLDS(status == NULL || getline(&line, &room, status) > 0);
}

int main(void)
{
    descriptors();
    files();
    process();
}
