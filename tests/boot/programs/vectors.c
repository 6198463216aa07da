/* Several buffers in one call, empty ones among them, on the console, a file and a pipe. */
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))

static struct iovec text(char *text)
{
    return (struct iovec){text, strlen(text)};
}

static void read_back(int descriptor)
{
    char first[3] = "", second[40] = "";
    struct iovec parts[] = {{first, 2}, {NULL, 0}, {second, sizeof second - 1}};
    REPORT(readv(descriptor, parts, COUNT(parts)));
    printf("[%s] [%s]\n", first, second);
}

int main(void)
{
    struct iovec parts[] = {text("one "), {NULL, 0}, text("two "), text(""), text("three\n")};
    REPORT(writev(1, parts, COUNT(parts)));
    fflush(stdout);
    writev(1, parts, COUNT(parts));
    writev(2, parts, COUNT(parts));
    REPORT(writev(1, parts + 1, 1));
    REPORT(writev(1, parts, 0));
    REPORT(writev(1, parts, -1));
    REPORT(writev(1, parts, 1025));

    chdir(getenv("TMPDIR"));
    int file = open("vectors", O_RDWR | O_CREAT | O_EXCL, 0600);
    REPORT(writev(file, parts, COUNT(parts)));
    REPORT(lseek(file, 0, SEEK_SET));
    read_back(file);
    read_back(file);
    REPORT(pwritev(file, parts, COUNT(parts), 6));
    REPORT(lseek(file, 2, SEEK_SET));
    read_back(file);

    int ends[2];
    REPORT(pipe(ends));
    REPORT(writev(ends[1], parts, COUNT(parts)));
    read_back(ends[0]);
    close(ends[1]);
    read_back(ends[0]);
}
