/* Takes memory until it is refused, which is no end: what is given back can be had again. */
#include "report.h"

#include <stdlib.h>

#define BLOCK (256 * 1024)

struct block {
    struct block *next;
    char rest[BLOCK - sizeof(struct block *)];
};

static struct block *take_all(long *count)
{
    struct block *list = NULL, *block;
    *count = 0;
    while ((block = malloc(sizeof *block))) {
        memset(block, 'x', sizeof *block);
        block->next = list;
        list = block;
        ++*count;
    }
    return list;
}

static void give_back(struct block *list)
{
    while (list) {
        struct block *next = list->next;
        free(list);
        list = next;
    }
}

int main(void)
{
    long first, second;
    struct block *list = take_all(&first);
    HOLDS(errno == ENOMEM);
    HOLDS(first > 20);
    give_back(list);
    list = take_all(&second);
    HOLDS(errno == ENOMEM);
    HOLDS(second >= first - 2);
    give_back(list);
    printf("alive\n");
}
