/*
 * counter - prints the time stamp counter as it is when main begins, then ends.
 *
 * It is linked in front of a program whose own main has been renamed, so that the image has the
 * same components and the same start. Under `-icount shift=0` the counter counts instructions.
 */
#include <stdio.h>

int program_main(int argc, char **argv);

int main(int argc, char **argv)
{
    unsigned int low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    printf("%llu\n", (unsigned long long)high << 32 | low);
    /* Never true; keeps the program linked. */
    return argc < 0 ? program_main(argc, argv) : 0;
}
