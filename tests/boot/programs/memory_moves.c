/* Mappings that grow, move, are advised about, and programs that ask which pages there are. */
#define _GNU_SOURCE
#include "report.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096L
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
#define READ_WRITE (PROT_READ | PROT_WRITE)

static void moving(void)
{
    char *map = mmap(NULL, 4 * PAGE, READ_WRITE, ANONYMOUS, -1, 0);
    for (int page = 0; page < 4; page++)
        map[page * PAGE] = 'a' + page;
    char *moved = mremap(map, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    HOLDS(moved != MAP_FAILED);
    HOLDS(moved[0] == 'a' && moved[3 * PAGE] == 'd' && moved[63 * PAGE] == 0);
    HOLDS(mremap(moved, 64 * PAGE, 2 * PAGE, 0) == moved);
    HOLDS(moved[PAGE] == 'b');
    REPORT(munmap(moved, 2 * PAGE));

    map = mmap(NULL, 8 * PAGE, READ_WRITE, ANONYMOUS, -1, 0);
    map[0] = 'x';
    HOLDS(mremap(map, PAGE, 2 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    HOLDS(mremap(map, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map + 4 * PAGE) ==
          map + 4 * PAGE);
    HOLDS(map[4 * PAGE] == 'x');
    HOLDS(mremap(map + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
    HOLDS(mremap(map, 0, PAGE, MREMAP_FIXED) == MAP_FAILED && errno == EINVAL);
}

static void advice(void)
{
    char *map = mmap(NULL, 4 * PAGE, READ_WRITE, ANONYMOUS, -1, 0);
    memset(map, 'x', 4 * PAGE);
    REPORT(madvise(map + PAGE, PAGE, MADV_DONTNEED));
    HOLDS(map[0] == 'x' && map[PAGE] == 0 && map[2 * PAGE] == 'x');
    REPORT(madvise(map, 4 * PAGE, MADV_WILLNEED));
    REPORT(madvise(map, 4 * PAGE, MADV_SEQUENTIAL));
    REPORT(madvise(map, 4 * PAGE, 9999));
    REPORT(madvise(map + 1, PAGE, MADV_DONTNEED));
    REPORT(munmap(map, 4 * PAGE));
    REPORT(madvise(map, 4 * PAGE, MADV_DONTNEED));
}

/* realloc of large blocks, which a C library does by mremap. */
static void reallocation(void)
{
    size_t size = 200000;
    unsigned char *block = malloc(size);
    memset(block, 1, size);
    for (int round = 0; round < 6; round++) {
        block = realloc(block, size * 2);
        memset(block + size, round + 2, size);
        size *= 2;
    }
    unsigned long sum = 0;
    for (size_t index = 0; index < size; index++)
        sum += block[index];
    printf("%zu bytes, sum %lu\n", size, sum);
    block = realloc(block, 1000);
    HOLDS(block[999] == 1);
    free(block);
}

int main(void)
{
    moving();
    advice();
    reallocation();
}
