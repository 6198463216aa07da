/* Ends with the status given, from main, by exit or by _exit, with output still buffered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void last_words(void)
{
    printf("at exit\n");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 1;
    int status = atoi(argv[2]);
    atexit(last_words);
    printf("ending by %s\n", argv[1]);
    if (strcmp(argv[1], "exit") == 0)
        exit(status);
    if (strcmp(argv[1], "_exit") == 0) {
        fflush(stdout);
        _exit(status);
    }
    return status;
}
