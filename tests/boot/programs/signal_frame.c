/* A handler that leaves no register as it was, over code that has values in all of them. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>

volatile int ticks;

/* Changes every register and the flags, and returns as a handler does. */
__asm__(".globl trash_registers\n"
        "trash_registers:\n"
        "  incl ticks(%rip)\n"
        "  mov $0x5a5a5a5a5a5a5a5a, %rax\n"
        "  mov %rax, %rbx; mov %rax, %rcx; mov %rax, %rdx; mov %rax, %rsi; mov %rax, %rdi\n"
        "  mov %rax, %rbp; mov %rax, %r8; mov %rax, %r9; mov %rax, %r10; mov %rax, %r11\n"
        "  mov %rax, %r12; mov %rax, %r13; mov %rax, %r14; mov %rax, %r15\n"
        "  movq %rax, %xmm0; movq %rax, %xmm1; movq %rax, %xmm2; movq %rax, %xmm3\n"
        "  movq %rax, %xmm4; movq %rax, %xmm5; movq %rax, %xmm6; movq %rax, %xmm7\n"
        "  movq %rax, %xmm8; movq %rax, %xmm9; movq %rax, %xmm10; movq %rax, %xmm11\n"
        "  movq %rax, %xmm12; movq %rax, %xmm13; movq %rax, %xmm14; movq %rax, %xmm15\n"
        "  fldz; fld1; fldpi\n"
        "  cmp %rax, %rax; stc\n"
        "  ret\n");
void trash_registers(int number);

/* Puts a value of its own into every register, waits for ten ticks, and stores what is there. */
__asm__(".globl hold_registers\n"
        "hold_registers:\n"
        "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
        "  mov $1, %rax; mov $2, %rbx; mov $3, %rcx; mov $4, %rdx; mov $5, %rsi; mov $6, %rdi\n"
        "  mov $7, %rbp; mov $8, %r8; mov $9, %r9; mov $10, %r10; mov $11, %r11\n"
        "  mov $12, %r12; mov $13, %r13; mov $14, %r14; mov $15, %r15\n"
        "  movq %rax, %xmm0; movq %rbx, %xmm1; movq %r15, %xmm15; movq %r8, %xmm8\n"
        /* The red zone below the stack pointer is this code's too. */
        "  movq $16, -8(%rsp); movq $17, -128(%rsp)\n"
        "1: cmpl $10, ticks(%rip)\n"
        "  jl 1b\n"
        "  mov %rax, -16(%rsp); mov (%rsp), %rax\n"
        "  mov %rbx, 8(%rax); mov %rcx, 16(%rax); mov %rdx, 24(%rax); mov %rsi, 32(%rax)\n"
        "  mov %rdi, 40(%rax); mov %rbp, 48(%rax); mov %r8, 56(%rax); mov %r9, 64(%rax)\n"
        "  mov %r10, 72(%rax); mov %r11, 80(%rax); mov %r12, 88(%rax); mov %r13, 96(%rax)\n"
        "  mov %r14, 104(%rax); mov %r15, 112(%rax)\n"
        "  movq %xmm0, 120(%rax); movq %xmm1, 128(%rax); movq %xmm8, 136(%rax)\n"
        "  movq %xmm15, 144(%rax)\n"
        "  mov -8(%rsp), %rbx; mov %rbx, 152(%rax); mov -128(%rsp), %rbx; mov %rbx, 160(%rax)\n"
        "  mov -16(%rsp), %rbx; mov %rbx, (%rax)\n"
        "  pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "  ret\n");
void hold_registers(uint64_t *values);

int main(void)
{
    struct sigaction action = {.sa_handler = trash_registers};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval interval = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &interval, NULL);
    uint64_t values[21] = {0};
    hold_registers(values);
    for (int index = 0; index < 21; index++)
        printf("%llu ", (unsigned long long)values[index]);
    /* The x87 stack that the handler left full is empty again. */
    long double one = 1;
    printf("%d\n", (int)(one + ticks) >= 11);
}
