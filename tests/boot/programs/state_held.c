/* Registers, floating-point state and red zone of a function without a frame of its own, through
   ten thousand interrupts and ten thousand system calls. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

enum { ROUNDS = 10000 };

/* What `fxsave` stores before and afterwards, and the red zone afterwards. */
struct state {
    unsigned char before[512], after[512];
    uint64_t red_zone[16];
} __attribute__((aligned(16)));

uint64_t patterns[32];
unsigned char scratch[256];
volatile int ticks;

/* Puts something of its own into all of the state: xmm0 to xmm15, MXCSR (round up, two exceptions
   noted), the x87 control word and three of its registers, the 128 bytes below the stack pointer. */
#define FILL                                                                                       \
    "  lea patterns(%rip), %rax\n"                                                                 \
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"                             \
    "  movups 16 * \\n(%rax), %xmm\\n\n"                                                           \
    "  mov 8 * \\n(%rax), %rcx\n"                                                                  \
    "  mov %rcx, 8 * \\n - 128(%rsp)\n"                                                            \
    "  .endr\n"                                                                                    \
    "  ldmxcsr unusual_mxcsr(%rip)\n"                                                              \
    "  fninit; fldcw unusual_control(%rip); fldpi; fldl2e; fld1\n"                                 \
    "  fxsave64 (%rdi)\n"

/* Stores what there is now, and leaves the floating-point state as the ABI wants it. */
#define STORE                                                                                      \
    "  fxsave64 512(%rdi)\n"                                                                       \
    "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"                             \
    "  mov 8 * \\n - 128(%rsp), %rcx\n"                                                            \
    "  mov %rcx, 1024 + 8 * \\n(%rdi)\n"                                                           \
    "  .endr\n"                                                                                    \
    "  fninit; ldmxcsr usual_mxcsr(%rip)\n"                                                        \
    "  ret\n"

__asm__("unusual_mxcsr: .long 0x5fa1\n"
        "usual_mxcsr: .long 0x1f80\n"
        "unusual_control: .word 0x0a7f\n"

        /* Waits, without a system call, for so many ticks. */
        ".globl hold_through_interrupts\n"
        "hold_through_interrupts:\n"
        FILL
        "1: cmp %esi, ticks(%rip)\n"
        "  jl 1b\n"
        STORE

        /* Makes so many pairs of calls: read 256 bytes of the file, and what time it is. */
        ".globl hold_through_calls\n"
        "hold_through_calls:\n"
        FILL
        "  mov %rdi, %r8; mov %esi, %r9d; mov %edx, %r10d\n"
        "1: xor %eax, %eax; mov %r10d, %edi; lea scratch(%rip), %rsi; mov $256, %edx\n"
        "  syscall\n"
        "  mov $228, %eax; mov $1, %edi; lea scratch(%rip), %rsi\n"
        "  syscall\n"
        "  dec %r9d\n"
        "  jnz 1b\n"
        "  mov %r8, %rdi\n"
        STORE

        /* A handler that leaves nothing of it as it was. */
        ".globl trash_state\n"
        "trash_state:\n"
        "  incl ticks(%rip)\n"
        "  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "  pcmpeqd %xmm\\n, %xmm\\n\n"
        "  .endr\n"
        "  ldmxcsr usual_mxcsr(%rip)\n"
        "  fninit; fldz; fldz\n"
        "  ret\n");

void hold_through_interrupts(struct state *state, int count);
void hold_through_calls(struct state *state, int count, int file);
void trash_state(int number);

/* Whether the parts of an `fxsave` area from `start` on are the same (Intel SDM volume 1, 10.5.1). */
static int is_same(const struct state *state, int start, int length)
{
    return memcmp(state->before + start, state->after + start, length) == 0;
}

static void compare(const char *through, const struct state *state)
{
    int registers = 1;
    for (int index = 0; index < 8; index++)
        registers &= is_same(state, 32 + 16 * index, 10);
    printf("%s: xmm %d, MXCSR %d, x87 control, status and tags %d, x87 registers %d, red zone %d\n",
           through, is_same(state, 160, 256), is_same(state, 24, 4), is_same(state, 0, 5), registers,
           memcmp(state->red_zone, patterns, sizeof state->red_zone) == 0);
}

int main(void)
{
    static struct state state;
    for (int index = 0; index < 32; index++)
        patterns[index] = (index + 1) * 0x0123456789abcdefULL;

    hold_through_calls(&state, ROUNDS, open("/dev/zero", O_RDONLY));
    compare("system calls", &state);

    struct sigaction action = {.sa_handler = trash_state};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval interval = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &interval, NULL);
    hold_through_interrupts(&state, ROUNDS);
    setitimer(ITIMER_REAL, &never, NULL);
    compare("interrupts", &state);
    printf("%d\n", ticks >= ROUNDS);
}
