/* What mmap, mprotect, munmap and brk do, and what they refuse. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096L
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define READ_WRITE (PROT_READ | PROT_WRITE)

/* Whether every byte is `value`. */
static int all(const char *bytes, long length, char value)
{
    for (long index = 0; index < length; index++)
        if (bytes[index] != value)
            return 0;
    return 1;
}

static void anonymous(void)
{
    char *map = mmap(NULL, 8 * PAGE, READ_WRITE, ANONYMOUS, -1, 0);
    HOLDS(map != MAP_FAILED);
    HOLDS((uintptr_t)map % PAGE == 0);
    HOLDS(all(map, 8 * PAGE, 0));
    memset(map, 'x', 8 * PAGE);
    REPORT(mprotect(map, 2 * PAGE, PROT_READ));
    HOLDS(all(map, 8 * PAGE, 'x'));
    REPORT(mprotect(map, 2 * PAGE, READ_WRITE));
    map[0] = 'y';
    REPORT(munmap(map + 2 * PAGE, 2 * PAGE));
    HOLDS(map[0] == 'y' && map[4 * PAGE] == 'x');
    REPORT(munmap(map + 2 * PAGE, 2 * PAGE));
    REPORT(mprotect(map + PAGE, 2 * PAGE, PROT_READ));
    char *again = mmap(map + 2 * PAGE, 2 * PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
    HOLDS(again == map + 2 * PAGE);
    HOLDS(all(again, 2 * PAGE, 0));
    again = mmap(map, 2 * PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0);
    HOLDS(again == map && all(map, 2 * PAGE, 0));
    REPORT(munmap(map, 8 * PAGE));
    REPORT(munmap(map, 8 * PAGE));
}

static void refusals(void)
{
    HOLDS(mmap(NULL, 0, READ_WRITE, ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    HOLDS(mmap((void *)100, PAGE, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
          errno == EINVAL);
    HOLDS(mmap(NULL, PAGE, READ_WRITE, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
    HOLDS(mmap(NULL, PAGE, READ_WRITE, ANONYMOUS & ~MAP_PRIVATE, -1, 0) == MAP_FAILED &&
          errno == EINVAL);
    HOLDS(mmap(NULL, 1L << 60, READ_WRITE, ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
    REPORT(munmap((void *)1, PAGE));
    REPORT(mprotect((void *)1, PAGE, PROT_READ));
}

static void files(void)
{
    chdir(getenv("TMPDIR"));
    int file = open("mapped", O_RDWR | O_CREAT | O_EXCL, 0600);
    static char bytes[5000];
    memset(bytes, 'f', sizeof bytes);
    REPORT(write(file, bytes, sizeof bytes));
    char *map = mmap(NULL, 2 * PAGE, READ_WRITE, MAP_PRIVATE, file, 0);
    HOLDS(map != MAP_FAILED);
    HOLDS(all(map, 5000, 'f'));
    HOLDS(all(map + 5000, 2 * PAGE - 5000, 0));
    map[0] = 'g';
    char first;
    REPORT(pread(file, &first, 1, 0));
    HOLDS(first == 'f');
    REPORT(munmap(map, 2 * PAGE));
    HOLDS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 1) == MAP_FAILED && errno == EINVAL);
}

static void program_break(void)
{
    char *start = (char *)syscall(SYS_brk, 0);
    char *end = start + 10 * PAGE + 5;
    HOLDS((char *)syscall(SYS_brk, end) == end);
    HOLDS(all(start, 10 * PAGE + 5, 0));
    memset(start, 'b', 10 * PAGE + 5);
    HOLDS((char *)syscall(SYS_brk, start) == start);
    HOLDS((char *)syscall(SYS_brk, end) == end);
    HOLDS(all((char *)(((uintptr_t)start + PAGE - 1) / PAGE * PAGE), 9 * PAGE, 0));
    HOLDS((char *)syscall(SYS_brk, 1) == end);
}

int main(void)
{
    anonymous();
    refusals();
    files();
    fflush(stdout);
    program_break();
}
