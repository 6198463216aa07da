/* Symbolic links: made, read, followed, not followed, dangling, in circles. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void target(const char *name)
{
    char text[100];
    ssize_t length = readlink(name, text, sizeof text);
    if (length < 0)
        printf("%s: %s\n", name, strerror(errno));
    else
        printf("%s -> %.*s\n", name, (int)length, text);
}

int main(void)
{
    struct stat status;
    REPORT(chdir(getenv("TMPDIR")));
    mkdir("folder", 0755);
    int file = open("folder/file", O_WRONLY | O_CREAT, 0600);
    REPORT(write(file, "content", 7));
    REPORT(symlink("folder/file", "short"));
    REPORT(symlink("../short", "folder/back"));
    REPORT(symlink("folder", "door"));
    REPORT(symlink("nowhere", "dangling"));
    REPORT(symlink("circle", "circle"));
    REPORT(symlink("x", "short"));
    REPORT(symlink("", "empty"));
    target("short");
    target("folder/back");
    target("door/back");
    target("dangling");
    target("folder");
    target("missing");
    char two[2];
    REPORT(readlink("short", two, 2));

    REPORT(stat("door/back", &status));
    printf("%ld bytes\n", status.st_size);
    REPORT(lstat("door/back", &status));
    HOLDS(S_ISLNK(status.st_mode));
    printf("%ld bytes\n", status.st_size);
    REPORT(lstat("door/", &status));
    HOLDS(S_ISDIR(status.st_mode));
    REPORT(stat("dangling", &status));
    REPORT(stat("circle", &status));
    HOLDS(open("short", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
    HOLDS(open("circle/x", O_RDONLY) == -1 && errno == ELOOP);
    HOLDS(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600) == -1 && errno == EEXIST);
    HOLDS(open("dangling", O_WRONLY | O_CREAT, 0600) >= 0);
    REPORT(stat("nowhere", &status));

    REPORT(rename("short", "renamed"));
    target("renamed");
    REPORT(unlink("renamed"));
    REPORT(stat("folder/file", &status));
    REPORT(stat("folder/back", &status));
    REPORT(rmdir("door"));
    REPORT(unlink("door"));
    REPORT(chdir("folder/back"));
}
