/* Every byte there is, on standard output, and in the other order on standard error. */
#include <unistd.h>

int main(void)
{
    unsigned char forth[256], back[256];
    for (int byte = 0; byte < 256; byte++) {
        forth[byte] = byte;
        back[255 - byte] = byte;
    }
    for (int round = 0; round < 40; round++) {
        if (write(1, forth, sizeof forth) != sizeof forth)
            return 1;
        if (write(2, back, sizeof back) != sizeof back)
            return 2;
    }
}
