/* Who and where the program is: calls whose answers hold of any home. */
#define _GNU_SOURCE
#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(void)
{
    struct utsname name;
    struct rlimit limit;
    struct rusage usage;
    struct sysinfo info;
    unsigned char first[16] = {0}, second[16] = {0};
    REPORT(uname(&name));
    HOLDS(strcmp(name.machine, "x86_64") == 0);
    HOLDS(getpid() > 0 && getppid() >= 0);
    HOLDS(getuid() == geteuid() && getgid() == getegid());
    REPORT(getrlimit(RLIMIT_NOFILE, &limit));
    HOLDS(limit.rlim_cur >= 64);
    REPORT(getrlimit(RLIMIT_STACK, &limit));
    REPORT(getrusage(RUSAGE_SELF, &usage));
    REPORT(sysinfo(&info));
    HOLDS(info.totalram > 0 && info.freeram <= info.totalram);
    REPORT(getrandom(first, sizeof first, 0));
    REPORT(getrandom(second, sizeof second, 0));
    HOLDS(memcmp(first, second, sizeof first) != 0);
    HOLDS(getauxval(AT_PAGESZ) == 4096 && sysconf(_SC_PAGESIZE) == 4096);
    HOLDS(getauxval(AT_RANDOM) != 0 && getauxval(AT_SECURE) == 0);
    HOLDS(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    REPORT(close(99));
    REPORT(read(99, first, 1));
    REPORT(fsync(99));
    REPORT(write(1, (void *)16, 5));
    REPORT(read(open("/dev/zero", O_RDONLY), (void *)16, 5));
    REPORT(uname((void *)0xffff800000000000));
}
