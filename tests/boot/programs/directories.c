/* Directories: making, listing, removing, and paths that lead through them. */
#define _GNU_SOURCE
#include "report.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void list(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    static char names[300][300];
    char *sorted[300];
    int count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        sorted[count] = names[count];
        sprintf(names[count++], "%s%s", entry->d_name, entry->d_type == DT_DIR ? "/" : "");
    }
    qsort(sorted, count, sizeof *sorted, compare);
    printf("%s:", path);
    for (int index = 0; index < count; index++)
        printf(" %s", sorted[index]);
    printf("\n");
    rewinddir(directory);
    HOLDS(readdir(directory) != NULL);
    REPORT(closedir(directory));
}

/* Says the working directory as seen from the scratch folder. */
static void where(const char *start)
{
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path))
        printf("nowhere: %s\n", strerror(errno));
    else
        printf("in [%s]\n", path + strlen(start));
}

static void working_directory(const char *start)
{
    char small[2];
    where(start);
    REPORT(chdir("one/two"));
    where(start);
    REPORT(chdir(".."));
    where(start);
    HOLDS(getcwd(small, sizeof small) == NULL && errno == ERANGE);
    REPORT(chdir("missing"));
    REPORT(chdir("file"));
    int directory = open("two", O_RDONLY | O_DIRECTORY);
    REPORT(fchdir(directory));
    where(start);
    REPORT(chdir(start));
    HOLDS(open("one/file", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
    HOLDS(open("one", O_WRONLY) == -1 && errno == EISDIR);
    char byte;
    REPORT(read(directory, &byte, 1));
    close(directory);
}

static void paths_from_descriptors(void)
{
    int directory = open("one", O_RDONLY | O_DIRECTORY);
    struct stat status;
    int file = openat(directory, "two/three", O_RDWR | O_CREAT, 0600);
    REPORT(write(file, "3", 1));
    REPORT(fstatat(directory, "two/three", &status, 0));
    REPORT(mkdirat(directory, "four", 0755));
    REPORT(renameat(directory, "two/three", directory, "four/three"));
    REPORT(unlinkat(directory, "four", AT_REMOVEDIR));
    REPORT(unlinkat(directory, "four/three", 0));
    REPORT(unlinkat(directory, "four", AT_REMOVEDIR));
    REPORT(openat(file, "x", O_RDONLY));
    REPORT(openat(99, "x", O_RDONLY));
    close(file);
    close(directory);
}

static void many(void)
{
    char name[300];
    mkdir("many", 0700);
    for (int index = 0; index < 200; index++) {
        sprintf(name, "many/%03d-a-name-that-is-longer-than-most", index);
        close(open(name, O_WRONLY | O_CREAT, 0600));
    }
    list("many");
    memset(name, 'n', 256);
    name[256] = 0;
    HOLDS(open(name, O_WRONLY | O_CREAT, 0600) == -1 && errno == ENAMETOOLONG);
    name[255] = 0;
    HOLDS(open(name, O_WRONLY | O_CREAT, 0600) >= 0);
    REPORT(unlink(name));
}

int main(void)
{
    const char *start = getenv("TMPDIR");
    REPORT(chdir(start));
    REPORT(mkdir("one", 0755));
    REPORT(mkdir("one", 0755));
    REPORT(mkdir("one/two/", 0755));
    REPORT(mkdir("missing/two", 0755));
    close(open("one/file", O_WRONLY | O_CREAT, 0600));
    list(".");
    list("one/two/..//./");
    list("one/file");
    list("missing");
    working_directory(start);
    paths_from_descriptors();
    REPORT(rmdir("one"));
    REPORT(rmdir("one/file"));
    REPORT(unlink("one/two"));
    REPORT(rmdir("one/two"));
    REPORT(rmdir("."));
    struct stat status;
    REPORT(stat("one", &status));
    printf("%o, %ld links\n", status.st_mode, (long)status.st_nlink);
    many();
}
