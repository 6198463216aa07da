/* There is one process with one thread, and it learns so from what asks for another. */
#include "report.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static void *start(void *argument)
{
    return argument;
}

int main(void)
{
    pthread_t thread;
    REPORT(fork());
    HOLDS(pthread_create(&thread, NULL, start, NULL) != 0);
    REPORT(wait(NULL));
    printf("alive\n");
}
