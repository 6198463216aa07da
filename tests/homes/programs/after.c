/* What runs after the contract suite: it finds standard input at its end if the suite has been
 * there. */

#include <stdio.h>

int main(void)
{
    puts(getchar() == EOF ? "the program ran" : "the program found input");
    return 7;
}
