/* Copies standard input, and says on standard error how much it was; the end stays the end. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    static char buffer[5000];
    size_t total = 0;
    ssize_t count;
    while ((count = read(0, buffer, sizeof buffer)) > 0) {
        total += count;
        for (ssize_t done = 0; done < count;) {
            ssize_t written = write(1, buffer + done, count - done);
            if (written <= 0)
                return 1;
            done += written;
        }
    }
    fprintf(stderr, "%zu bytes, then %zd and %zd\n", total, count, read(0, buffer, 1));
}
