/* Ends as its own fault would have it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static const int constant = 1;
static unsigned char data[16] __attribute__((aligned(16))) = {0xc3};

/* Has the program go on where no code can be. */
static void go_astray(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 0x1234567812345678;
}

int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";
    printf("%s\n", fault);
    fflush(stdout);
    if (strcmp(fault, "null") == 0)
        *(volatile int *)0 = 1;
    if (strcmp(fault, "constant") == 0)
        *(volatile int *)&constant = 2;
    if (strcmp(fault, "code") == 0)
        *(volatile char *)(long)main = 1;
    if (strcmp(fault, "data") == 0)
        ((void (*)(void))(long)data)();
    if (strcmp(fault, "stack") == 0) {
        volatile unsigned char code[16] = {0xc3};
        ((void (*)(void))(long)code)();
    }
    if (strcmp(fault, "protected") == 0) {
        char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(volatile char *)page;
    }
    if (strcmp(fault, "kernel") == 0)
        *(volatile char *)0xffff800000000000;
    if (strcmp(fault, "noncanonical") == 0)
        *(volatile char *)0x1234567812345678;
    if (strcmp(fault, "return") == 0) {
        struct sigaction action = {.sa_sigaction = go_astray, .sa_flags = SA_SIGINFO};
        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
    }
    if (strcmp(fault, "division") == 0)
        __asm__ volatile("xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx"
                         ::: "eax", "edx", "ecx");
    if (strcmp(fault, "instruction") == 0)
        __asm__ volatile("ud2");
    if (strcmp(fault, "breakpoint") == 0)
        __asm__ volatile("int3");
    if (strcmp(fault, "abort") == 0)
        abort();
    if (strcmp(fault, "raise") == 0)
        raise(SIGKILL);
    if (strcmp(fault, "pipe") == 0) {
        int ends[2];
        if (pipe(ends) == 0 && close(ends[0]) == 0)
            (void)!write(ends[1], "x", 1);
    }
    printf("alive\n");
}
