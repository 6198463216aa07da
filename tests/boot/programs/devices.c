/* The devices that programs count on. */
#include "report.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int differ(const char *name)
{
    char first[64] = "", second[64] = "";
    int device = open(name, O_RDONLY);
    int is_whole = read(device, first, sizeof first) == sizeof first &&
                   read(device, second, sizeof second) == sizeof second;
    close(device);
    return is_whole && memcmp(first, second, sizeof first) != 0;
}

int main(void)
{
    char buffer[100];
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    int full = open("/dev/full", O_RDWR);
    REPORT(read(null, buffer, sizeof buffer));
    REPORT(write(null, buffer, sizeof buffer));
    memset(buffer, 'x', sizeof buffer);
    REPORT(read(zero, buffer, sizeof buffer));
    HOLDS(buffer[0] == 0 && buffer[sizeof buffer - 1] == 0);
    REPORT(write(zero, buffer, sizeof buffer));
    REPORT(read(full, buffer, sizeof buffer));
    REPORT(write(full, buffer, sizeof buffer));
    REPORT(lseek(null, 10, SEEK_SET));
    HOLDS(differ("/dev/random"));
    HOLDS(differ("/dev/urandom"));
    struct stat status;
    REPORT(stat("/dev/null", &status));
    HOLDS(S_ISCHR(status.st_mode));
    REPORT(fstat(zero, &status));
    HOLDS(S_ISCHR(status.st_mode));
    REPORT(isatty(null));
    REPORT(open("/dev/missing", O_RDWR));
    FILE *file = fopen("/dev/full", "w");
    fprintf(file, "lost");
    REPORT(fclose(file));
}
