/* Doubles that the compiler keeps in registers across an inline system call: the kernel may use
   those registers but must give them back. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static inline long system_call(long number, long first, long second, long third, long fourth)
{
    register long fourth_register __asm__("r10") = fourth;
    register long fifth_register __asm__("r8") = -1;
    register long sixth_register __asm__("r9") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(fourth_register),
                       "r"(fifth_register), "r"(sixth_register)
                     : "rcx", "r11", "memory");
    return result;
}

int main(void)
{
    static volatile double in[14] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    static char buffer[4096];
    double a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6];
    double h = in[7], i = in[8], j = in[9], k = in[10], l = in[11], m = in[12], n = in[13];
    long file = system_call(SYS_open, (long)"/dev/zero", O_RDONLY, 0, 0);
    long read = system_call(SYS_read, file, (long)buffer, sizeof buffer, 0);
    system_call(SYS_mmap, 0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    system_call(SYS_write, 1, (long)"x\n", 2, 0);
    double sum = a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j +
                 11 * k + 12 * l + 13 * m + 14 * n;
    printf("%ld bytes, sum %.1f\n", read, sum);
    return sum != 1015.0;
}
