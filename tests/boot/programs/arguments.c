/* Says its arguments, and its environment sorted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(int argc, char **argv)
{
    for (int index = 0; index < argc; index++)
        printf("argument %d [%s]\n", index, argv[index]);
    printf("then %s\n", argv[argc] ? "another" : "none");
    size_t count = 0;
    while (environ[count])
        count++;
    qsort(environ, count, sizeof *environ, compare);
    for (size_t index = 0; index < count; index++)
        printf("variable [%s]\n", environ[index]);
}
