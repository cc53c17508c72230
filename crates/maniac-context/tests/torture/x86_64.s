# torture_*(context: rdi, rounds: rsi): loads every register from the context, counts `rounds` down, and stores every register behind OUT.
# torture_low(stack pointer: rdi, rounds: rsi): counts down with that stack pointer.
.set OUT, 16384
.set CONTROL, 512
.set RED, 544
.set X87, 704
.set VECTOR, 1024
.set MASK, 9216

.macro torture name, move, register, wide
.globl \name
\name:
  push rbp
  push rbx
  push r12
  push r13
  push r14
  push r15
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  \move \register\n, [rdi + VECTOR + 64 * \n]
  .endr
  .if \wide
  .irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  \move \register\n, [rdi + VECTOR + 64 * \n]
  .endr
  .irp n,0,1,2,3,4,5,6,7
  kmovq k\n, [rdi + MASK + 8 * \n]
  .endr
  .endif
  fninit
  fldcw [rdi + CONTROL]
  .irp n,0,1,2,3,4,5,6,7
  fld tbyte ptr [rdi + X87 + 10 * \n]
  .endr
  ldmxcsr [rdi + CONTROL + 8]
  push qword ptr [rdi + CONTROL + 16]
  popfq
  .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
  mov rax, [rdi + RED + 8 * (\n - 1)]
  mov [rsp - 8 * \n], rax
  .endr
  mov rcx, rsi
  mov r15, 0
  mov rax, [rdi]
  mov rbx, [rdi + 8]
  mov rdx, [rdi + 16]
  mov rbp, [rdi + 24]
  mov r8, [rdi + 32]
  mov r9, [rdi + 40]
  mov r10, [rdi + 48]
  mov r11, [rdi + 56]
  mov r12, [rdi + 64]
  mov r13, [rdi + 72]
  mov r14, [rdi + 80]
2:
  lea rcx, [rcx - 1]
  lea r15, [r15 + 1]
  jrcxz 3f
  jmp 2b
3:
  mov [rdi + OUT], rax
  mov [rdi + OUT + 8], rbx
  mov [rdi + OUT + 16], rdx
  mov [rdi + OUT + 24], rbp
  mov [rdi + OUT + 32], r8
  mov [rdi + OUT + 40], r9
  mov [rdi + OUT + 48], r10
  mov [rdi + OUT + 56], r11
  mov [rdi + OUT + 64], r12
  mov [rdi + OUT + 72], r13
  mov [rdi + OUT + 80], r14
  mov [rdi + OUT + 88], rsi
  mov [rdi + OUT + 96], r15
  .irp n,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
  mov rax, [rsp - 8 * \n]
  mov [rdi + OUT + RED + 8 * (\n - 1)], rax
  .endr
  pushfq
  pop qword ptr [rdi + OUT + CONTROL + 16]
  cld
  stmxcsr [rdi + OUT + CONTROL + 8]
  fnstcw [rdi + OUT + CONTROL]
  .irp n,7,6,5,4,3,2,1,0
  fstp tbyte ptr [rdi + OUT + X87 + 10 * \n]
  .endr
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  \move [rdi + OUT + VECTOR + 64 * \n], \register\n
  .endr
  .if \wide
  .irp n,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  \move [rdi + OUT + VECTOR + 64 * \n], \register\n
  .endr
  .irp n,0,1,2,3,4,5,6,7
  kmovq [rdi + OUT + MASK + 8 * \n], k\n
  .endr
  vzeroupper
  .endif
  fninit
  push 0x1f80
  ldmxcsr [rsp]
  add rsp, 8
  pop r15
  pop r14
  pop r13
  pop r12
  pop rbx
  pop rbp
  ret
.endm

.text
.globl torture_begin
torture_begin:
torture torture_avx512, vmovdqu64, zmm, 1
torture torture_avx, vmovdqu, ymm, 0
torture torture_sse, movdqu, xmm, 0
.globl torture_low
torture_low:
  mov rax, rsp
  mov rsp, rdi
2:
  sub rsi, 1
  jnz 2b
  mov rsp, rax
  ret
.globl torture_end
torture_end:
  nop
