/* Takes what the kernel has, in every way there is: files, pipes, sockets, descriptors, mappings.
   Each is refused in the end, and what is given back can be had again. */
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static char block[65536];

/* Writes until no more is taken; the error is the answer. */
static int fill(int descriptor)
{
    memset(block, 'x', sizeof block);
    while (write(descriptor, block, sizeof block) > 0)
        ;
    return errno;
}

/* Says which of the errors that are right came. */
static void refused(const char *what)
{
    int is_right = errno == EMFILE || errno == ENOMEM || errno == ENOBUFS || errno == ENOSPC;
    printf("%s: %s\n", what, is_right ? "refused" : strerror(errno));
}

static void close_all(void)
{
    for (int descriptor = 3; descriptor < 5000; descriptor++)
        close(descriptor);
}

static void full_pipes(void)
{
    int ends[2];
    while (pipe(ends) == 0) {
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        int error = fill(ends[1]);
        if (error != EAGAIN && error != ENOMEM)
            printf("writing a pipe: %s\n", strerror(error));
    }
    refused("pipes");
    close_all();
}

static void full_sockets(void)
{
    int ends[2];
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0) {
        int error = fill(ends[0]);
        if (error != EAGAIN && error != ENOMEM && error != ENOBUFS)
            printf("writing a socket: %s\n", strerror(error));
    }
    refused("sockets");
    close_all();
}

static void counters(void)
{
    while (eventfd(0, 0) >= 0)
        ;
    refused("counters");
    close_all();
    while (epoll_create1(0) >= 0)
        ;
    refused("epolls");
    close_all();
}

static void full_file(void)
{
    int file = open("/tmp/large", O_RDWR | O_CREAT, 0600);
    errno = fill(file);
    refused("file");
    off_t most = lseek(file, 0, SEEK_END);
    REPORT(ftruncate(file, 0));
    errno = fill(file);
    HOLDS(lseek(file, 0, SEEK_END) > most - 2 * (off_t)sizeof block);
    REPORT(unlink("/tmp/large"));
    close_all();
}

static void many_files(void)
{
    char name[40];
    int count = 0, file;
    for (;; count++) {
        sprintf(name, "/tmp/file-%d", count);
        file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        if (file < 0 || count == 20000)
            break;
        if (write(file, name, sizeof name) < 0)
            break;
        close(file);
    }
    if (count < 20000)
        refused("files");
    else
        printf("files: refused\n");
    close_all();
    while (count-- >= 0) {
        sprintf(name, "/tmp/file-%d", count + 1);
        unlink(name);
    }
}

static void mappings(void)
{
    int count = 0;
    while (count < 100000) {
        int protection = count++ % 2 ? PROT_READ : PROT_NONE;
        if (mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
            break;
    }
    if (count < 100000)
        refused("mappings");
    else
        printf("mappings: refused\n");
}

/* Takes all memory that the program can have, which leaves the kernel little. */
static void hold_memory(void)
{
    for (size_t length = 1 << 20; length >= 4096; length /= 2)
        for (;;) {
            char *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                             -1, 0);
            if (map == MAP_FAILED)
                break;
            memset(map, 'x', length);
        }
    refused("memory");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1 && strcmp(argv[1], "hold") == 0)
        hold_memory();
    for (int round = 0; round < 2; round++) {
        full_pipes();
        full_sockets();
        counters();
        full_file();
        many_files();
    }
    mappings();
    printf("alive\n");
}
