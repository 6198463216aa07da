/* Fails as its argument says. Lines with a word in a comment are named by it in the test. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    int key;
    int *weight;
};

static int compare(const void *left, const void *right)
{
    const struct item *first = left, *second = right;
    return *first->weight - *second->weight; /* compared */
}

__attribute__((noinline)) static int sort(int count)
{
    static int weight = 1;
    struct item items[40];
    for (int index = 0; index < count; index++)
        items[index] = (struct item){count - index, index == 20 ? NULL : &weight};
    qsort(items, count, sizeof *items, compare); /* sorted */
    return items[0].key;
}

static void (*volatile nowhere)(void);

__attribute__((noinline)) static int call_nowhere(int number)
{
    nowhere(); /* called */
    return number + 1;
}

__attribute__((noinline)) static int descend(volatile int *depth)
{
    volatile int more = *depth + 1;
    return descend(&more) + more; /* descended */
}

__attribute__((noinline)) static int damage(int value)
{
    volatile long room[4], *volatile end = room + 64;
    /* All of the stack above, return addresses included. */
    for (volatile long *place = room; place < end; place++)
        *place = 0x1111111111111111;
    return *(volatile int *)(long)value + room[0];
}

static inline __attribute__((always_inline)) int divide(int dividend, volatile int *divisor)
{
    return dividend / *divisor; /* divided */
}

static sigjmp_buf resume;

static void recover(int number)
{
    siglongjmp(resume, number);
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";
    if (strcmp(what, "sort") == 0)
        return sort(40); /* began */
    if (strcmp(what, "nowhere") == 0)
        return call_nowhere(count); /* began nowhere */
    if (strcmp(what, "descend") == 0)
        return descend(&(volatile int){0});
    if (strcmp(what, "damage") == 0)
        return damage(0);
    if (strcmp(what, "divide") == 0) {
        volatile int zero = 0;
        return divide(count, &zero); /* inlined */
    }
    if (strcmp(what, "instruction") == 0)
        __builtin_trap(); /* trapped */
    signal(SIGSEGV, recover);
    if (sigsetjmp(resume, 1) == 0)
        return sort(39);
    puts("recovered");
}
