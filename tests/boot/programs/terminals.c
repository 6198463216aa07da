/* The status says which of the three streams are terminals: 1 input, 2 output, 4 error. */
#include <unistd.h>

int main(void)
{
    return isatty(0) | isatty(1) << 1 | isatty(2) << 2;
}
