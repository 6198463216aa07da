/* Takes every SIGINT, says so, and goes on for ever. */
#include <signal.h>
#include <unistd.h>

static void handler(int number)
{
    (void)number;
    (void)!write(1, "caught\n", 7);
}

int main(void)
{
    signal(SIGINT, handler);
    (void)!write(1, "ready\n", 6);
    for (;;)
        pause();
}
