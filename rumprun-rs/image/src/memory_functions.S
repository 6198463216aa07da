    // The C memory functions that compiled code calls, which no libc supplies here.
    //
    // Blocks of 16 bytes move through xmm registers: an emulated processor runs `rep movsb` a byte
    // at a time, and a real one starts it slowly. The last block overlaps the one before it, so
    // there is no loop over the bytes that are left.
    //
    // Intel syntax. tests/memory-functions assembles this file too, under other names.

    .section .text.memmove, "ax"
    .globl memmove, memcpy
memmove:
    mov rax, rdi
    sub rax, rsi
    cmp rax, rdx
    jb 6f                               // the destination begins within the source

memcpy:
    mov rax, rdi
    cmp rdx, 16
    jb 7f
    movups xmm0, [rsi + rdx - 16]       // the last block, read before anything is written
    lea r8, [rdi + rdx - 16]
    sub rdx, 64
    jb 2f
1:  movups xmm1, [rsi]
    movups xmm2, [rsi + 16]
    movups xmm3, [rsi + 32]
    movups xmm4, [rsi + 48]
    movups [rdi], xmm1
    movups [rdi + 16], xmm2
    movups [rdi + 32], xmm3
    movups [rdi + 48], xmm4
    add rsi, 64
    add rdi, 64
    sub rdx, 64
    jae 1b
2:  cmp rdi, r8
    jae 3f
    movups xmm1, [rsi]
    movups [rdi], xmm1
    add rsi, 16
    add rdi, 16
    jmp 2b
3:  movups [r8], xmm0
    ret

    // The same from the end.
6:  mov rax, rdi
    cmp rdx, 16
    jb 7f
    movups xmm0, [rsi]                  // the first block
2:  cmp rdx, 16
    jbe 3f
    movups xmm1, [rsi + rdx - 16]
    movups [rdi + rdx - 16], xmm1
    sub rdx, 16
    jmp 2b
3:  movups [rdi], xmm0
    ret

    // Fewer than 16 bytes: all of them are read before one is written.
7:  cmp edx, 8
    jb 2f
    mov rcx, [rsi]
    mov r8, [rsi + rdx - 8]
    mov [rdi], rcx
    mov [rdi + rdx - 8], r8
    ret
2:  cmp edx, 4
    jb 2f
    mov ecx, [rsi]
    mov r8d, [rsi + rdx - 4]
    mov [rdi], ecx
    mov [rdi + rdx - 4], r8d
    ret
2:  test edx, edx
    jz 3f
    movzx ecx, byte ptr [rsi]
    movzx r8d, byte ptr [rsi + rdx - 1]
    mov r9d, edx
    shr r9d, 1
    movzx r10d, byte ptr [rsi + r9]
    mov [rdi], cl
    mov [rdi + r9], r10b
    mov [rdi + rdx - 1], r8b
3:  ret

    .section .text.memset, "ax"
    .globl memset
memset:
    mov rax, rdi
    movzx ecx, sil
    movabs r8, 0x0101010101010101
    imul rcx, r8
    cmp rdx, 16
    jb 4f
    movq xmm0, rcx
    punpcklqdq xmm0, xmm0
    lea r8, [rdi + rdx - 16]
    sub rdx, 64
    jb 2f
1:  movups [rdi], xmm0
    movups [rdi + 16], xmm0
    movups [rdi + 32], xmm0
    movups [rdi + 48], xmm0
    add rdi, 64
    sub rdx, 64
    jae 1b
2:  cmp rdi, r8
    jae 3f
    movups [rdi], xmm0
    add rdi, 16
    jmp 2b
3:  movups [r8], xmm0
    ret
4:  cmp edx, 8
    jb 2f
    mov [rdi], rcx
    mov [rdi + rdx - 8], rcx
    ret
2:  cmp edx, 4
    jb 2f
    mov [rdi], ecx
    mov [rdi + rdx - 4], ecx
    ret
2:  test edx, edx
    jz 3f
    mov [rdi], cl
    mov [rdi + rdx - 1], cl
    shr edx, 1
    mov [rdi + rdx], cl
3:  ret

    .section .text.memcmp, "ax"
    .globl memcmp, bcmp
memcmp:
bcmp:
    sub rdx, 8
    jb 2f
1:  mov rax, [rdi]
    mov rcx, [rsi]
    cmp rax, rcx
    jne 5f
    add rdi, 8
    add rsi, 8
    sub rdx, 8
    jae 1b
2:  add rdx, 8
    jz 4f
3:  movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jne 6f
    inc rdi
    inc rsi
    dec rdx
    jnz 3b
4:  xor eax, eax
6:  ret
    // The first byte that differs decides: it is the highest of the swapped words.
5:  bswap rax
    bswap rcx
    cmp rax, rcx
    sbb eax, eax
    or eax, 1
    ret

    .section .text.strlen, "ax"
    .globl strlen
strlen:
    xor eax, eax
    jmp 2f
1:  inc rax
2:  cmp byte ptr [rdi + rax], 0
    jne 1b
    ret
    .text
