/* Files in a writable folder: making, reading, seeking, cutting, appending, renaming, removing. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void contents(const char *name)
{
    char text[200] = "";
    int file = open(name, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    printf("%s: %zd bytes [", name, length);
    for (ssize_t index = 0; index < length; index++)
        printf(text[index] ? "%c" : ".", text[index]);
    printf("]\n");
    close(file);
}

static void making(void)
{
    HOLDS(open("a", O_RDONLY) == -1 && errno == ENOENT);
    int file = open("a", O_RDWR | O_CREAT | O_EXCL, 0640);
    HOLDS(open("a", O_RDWR | O_CREAT | O_EXCL, 0640) == -1 && errno == EEXIST);
    REPORT(write(file, "0123456789", 10));
    REPORT(lseek(file, -3, SEEK_END));
    REPORT(write(file, "abcdef", 6));
    REPORT(pwrite(file, "XY", 2, 1));
    REPORT(lseek(file, 0, SEEK_CUR));
    contents("a");
    REPORT(lseek(file, 16, SEEK_SET));
    REPORT(write(file, "after a hole", 12));
    contents("a");
    REPORT(ftruncate(file, 5));
    contents("a");
    REPORT(ftruncate(file, 8));
    contents("a");
    REPORT(lseek(file, -1, SEEK_SET));
    REPORT(lseek(file, 0, 99));
    REPORT(close(file));
    REPORT(close(file));
    REPORT(write(file, "x", 1));
    file = open("a", O_WRONLY | O_TRUNC);
    char byte;
    REPORT(read(file, &byte, 1));
    contents("a");
    close(file);
    HOLDS(open("a/b", O_RDONLY) == -1 && errno == ENOTDIR);
    HOLDS(open("", O_RDONLY) == -1 && errno == ENOENT);
}

static void status(void)
{
    struct stat status;
    umask(022);
    int file = open("status", O_RDWR | O_CREAT, 0666);
    write(file, "four", 4);
    REPORT(fstat(file, &status));
    printf("%o, %ld links, %ld bytes\n", status.st_mode, (long)status.st_nlink, status.st_size);
    REPORT(fchmod(file, 0600));
    REPORT(stat("status", &status));
    printf("%o, in time: %d\n", status.st_mode, labs(status.st_mtime - time(NULL)) < 100);
    REPORT(access("status", R_OK | W_OK));
    REPORT(access("missing", F_OK));
    REPORT(link("status", "second"));
    REPORT(stat("second", &status));
    printf("%ld links\n", (long)status.st_nlink);
    struct timespec times[2] = {{1000, 5}, {2000, 7}};
    REPORT(utimensat(AT_FDCWD, "status", times, 0));
    REPORT(stat("second", &status));
    printf("%ld.%09ld\n", (long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    close(file);
}

static void appending(void)
{
    int file = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    int other = open("log", O_WRONLY);
    REPORT(write(file, "one ", 4));
    REPORT(write(other, "ONE two ", 8));
    REPORT(lseek(file, 0, SEEK_SET));
    REPORT(write(file, "three", 5));
    REPORT(lseek(file, 0, SEEK_CUR));
    contents("log");
    REPORT(fcntl(other, F_SETFL, O_APPEND));
    REPORT(write(other, "!", 1));
    contents("log");
    REPORT(fcntl(other, F_GETFL) & (O_ACCMODE | O_APPEND));
    close(file);
    close(other);
}

static void renaming(void)
{
    struct stat before, after;
    stat("log", &before);
    REPORT(rename("log", "moved"));
    REPORT(stat("moved", &after));
    HOLDS(before.st_ino == after.st_ino);
    REPORT(access("log", F_OK));
    REPORT(rename("moved", "status"));
    contents("status");
    REPORT(rename("missing", "status"));
    REPORT(rename("status", "status"));
    REPORT(mkdir("folder", 0700));
    REPORT(rename("status", "folder"));
    REPORT(rename("folder", "status"));
    REPORT(rename("status", "folder/inside"));
    contents("folder/inside");
}

static void removing_while_open(void)
{
    int file = open("gone", O_RDWR | O_CREAT, 0600);
    struct stat status;
    char text[6] = "";
    REPORT(write(file, "still", 5));
    REPORT(unlink("gone"));
    REPORT(unlink("gone"));
    REPORT(fstat(file, &status));
    printf("%ld links\n", (long)status.st_nlink);
    REPORT(pread(file, text, 5, 0));
    printf("%s\n", text);
    REPORT(write(file, " here", 5));
    int fresh = open("gone", O_RDWR | O_CREAT | O_EXCL, 0600);
    REPORT(fstat(fresh, &status));
    printf("%ld bytes\n", status.st_size);
}

static void duplicates(void)
{
    int file = open("shared", O_RDWR | O_CREAT, 0600);
    int copy = dup(file);
    REPORT(write(file, "12345", 5));
    REPORT(lseek(copy, 0, SEEK_CUR));
    REPORT(dup2(file, 77));
    REPORT(fcntl(file, F_DUPFD_CLOEXEC, 50));
    REPORT(fcntl(50, F_GETFD));
    REPORT(fcntl(77, F_GETFD));
    REPORT(close(file));
    REPORT(write(77, "6", 1));
    REPORT(dup2(file, 78));
    REPORT(dup2(77, 77));
    contents("shared");
}

int main(void)
{
    REPORT(chdir(getenv("TMPDIR")));
    making();
    status();
    appending();
    renaming();
    removing_while_open();
    duplicates();
}
