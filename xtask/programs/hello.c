/* hello - the smallest program that uses printf. Its image is the one that the bars speak of. */
#include <stdio.h>

int main(void)
{
    printf("hello, world\n");
    return 0;
}
