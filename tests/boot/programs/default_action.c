/* Leaves signals to their default action, while it computes or waits for input. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char byte;
    printf("ready\n");
    fflush(stdout);
    if (argc == 2 && strcmp(argv[1], "compute") == 0)
        for (volatile unsigned long count = 0;; count++)
            ;
    return read(0, &byte, 1);
}
