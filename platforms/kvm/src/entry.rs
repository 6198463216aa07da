//! The first instructions: from the PVH entry point to long mode and Rust.
//!
//! A PVH loader (QEMU, Firecracker, Cloud Hypervisor, Xen) finds the note, loads the segments and
//! jumps to `_start` in 32-bit protected mode without paging, `ebx` pointing to the start info
//! (Xen's `docs/misc/pvh.pandoc` and `public/arch-x86/hvm/start_info.h`). What is mapped here,
//! the first GiB one to one, [`paging`](crate::paging) refines.

#[cfg(not(test))]
use core::arch::global_asm;

/// Bytes of the stack that the kernel runs on, at the start and in system calls.
#[cfg(not(test))]
const KERNEL_STACK_SIZE: usize = 32 * 1024;

// A test is a process: it has an entry of its own.
#[cfg(not(test))]
global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4                             // length of the name
    .long 8                             // length of the descriptor
    .long 18                            // XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad _start

    .section .boot, "ax"
    .code32
    .globl _start
    .type _start, @function
_start:
    cli
    cld
    mov esp, offset kernel_stack_top
    mov ebp, ebx

    // One table a level, and 2 MiB pages for the first GiB. Only the first of them, where the
    // kernel's code lies, can be executed.
    mov edi, offset boot_pml4
    mov dword ptr [edi], offset boot_pdpt + {table}
    mov edi, offset boot_pdpt
    mov dword ptr [edi], offset boot_pd + {table}
    mov edi, offset boot_pd
    mov eax, {large_page}
    mov ecx, 512
2:  mov dword ptr [edi], eax
    mov dword ptr [edi + 4], {no_execute}
    add eax, 0x200000
    add edi, 8
    dec ecx
    jnz 2b
    mov edi, offset boot_pd
    mov dword ptr [edi + 4], ecx

    mov eax, cr4
    or eax, {cr4}
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, {efer_register}
    rdmsr
    or eax, {efer}
    wrmsr
    mov eax, cr0
    and eax, {cr0_clear}
    or eax, {cr0}
    mov cr0, eax

    lgdt [boot_gdt_pointer]
    // A far jump to `.Llong_mode` in the code segment; the assembler's Intel syntax has no
    // plain form.
    mov eax, {code_selector}
    push eax
    mov eax, offset .Llong_mode
    push eax
    retf

    .code64
.Llong_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov esp, offset kernel_stack_top
    mov edi, ebp
    xor ebp, ebp
    call kernel_main
    ud2
    .size _start, . - _start

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff            // 8: code, 64 bits
    .quad 0x00cf92000000ffff            // 16: data
boot_gdt_pointer:
    .word 23
    .long boot_gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
    .globl boot_pml4
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4096
    .globl kernel_stack_guard
kernel_stack_guard:
    .skip 4096
    .skip {stack_size}
    .globl kernel_stack_top
kernel_stack_top:
    .text
    "#,
    table = const 0x3,                  // present, writable
    large_page = const 0x83,            // present, writable, 2 MiB
    no_execute = const 0x8000_0000_u32, // bit 63 of an entry
    cr4 = const 0x620,                  // PAE, OSFXSR, OSXMMEXCPT
    efer_register = const 0xc000_0080_u32,
    efer = const 0x901,                 // SCE, LME, NXE
    cr0_clear = const !0x4_i32,         // EM off: there is an FPU
    cr0 = const 0x8001_0023_u32,        // PG, WP, NE, MP, PE
    code_selector = const crate::tables::CODE_SELECTOR,
    stack_size = const KERNEL_STACK_SIZE,
);
