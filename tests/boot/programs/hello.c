/* The least: a line on standard output. */
#include <stdio.h>

int main(void)
{
    printf("hello, %s\n", "world");
}
