/* What the test programs say: each call with its result, to be the same in every home. */
#ifndef REPORT_H
#define REPORT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Makes a call that gives -1 on failure, and says what came of it. */
#define REPORT(call)                                                          \
    do {                                                                      \
        errno = 0;                                                            \
        long report_result = (long)(call);                                    \
        printf("%s = %ld%s%s\n", #call, report_result,                        \
               report_result == -1 ? ", " : "",                               \
               report_result == -1 ? strerror(errno) : "");                   \
    } while (0)

/* Says whether something holds. */
#define HOLDS(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "no")

#endif
