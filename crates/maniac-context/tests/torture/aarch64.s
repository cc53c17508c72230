// torture_*(context: x0, rounds: x1): loads every register from the context, counts `rounds` down, and stores every register behind OUT.
// torture_low(stack pointer: x0, rounds: x1): counts down with that stack pointer.
.macro enter
  stp x29, x30, [sp, #-176]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mrs x2, fpcr
  str x2, [sp, #160]
.endm

// Leaves x1 pointing behind OUT, and x2 free.
.macro count
  ldr x2, [x0, #512]
  msr fpcr, x2
  ldr x2, [x0, #520]
  msr fpsr, x2
  ldr x2, [x0, #528]
  msr nzcv, x2
  .irp n,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30
  ldr x\n, [x0, #(8 * \n)]
  .endr
2:
  sub x1, x1, #1
  cbnz x1, 2b
  add x1, x0, #4, lsl #12
  .irp n,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,19,20,21,22,23,24,25,26,27,28,29,30
  str x\n, [x1, #(8 * \n)]
  .endr
  mrs x2, fpcr
  str x2, [x1, #512]
  mrs x2, fpsr
  str x2, [x1, #520]
  mrs x2, nzcv
  str x2, [x1, #528]
.endm

.macro leave
  ldr x2, [sp, #160]
  msr fpcr, x2
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #176
  ret
.endm

.text
.globl torture_begin
torture_begin:
.globl torture_neon
torture_neon:
  enter
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  ldr q\n, [x0, #(1024 + 16 * \n)]
  .endr
  count
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  str q\n, [x1, #(1024 + 16 * \n)]
  .endr
  leave
.arch_extension sve
.globl torture_sve
torture_sve:
  enter
  add x2, x0, #1024
  add x3, x2, #2, lsl #12
  // The first fault register holds prefixes of ones: a predicate with five of them.
  ptrue p0.b, vl5
  wrffr p0.b
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  ldr p\n, [x3, #\n, mul vl]
  .endr
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  ldr z\n, [x2, #\n, mul vl]
  .endr
  count
  add x2, x1, #1024
  add x3, x2, #2, lsl #12
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  str z\n, [x2, #\n, mul vl]
  .endr
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
  str p\n, [x3, #\n, mul vl]
  .endr
  rdffr p0.b
  cntp x2, p0, p0.b
  str x2, [x1, #536]
  leave
.globl torture_low
torture_low:
  mov x2, sp
  mov sp, x0
2:
  sub x1, x1, #1
  cbnz x1, 2b
  mov sp, x2
  ret
.globl torture_end
torture_end:
  nop
.globl torture_vector_bytes
torture_vector_bytes:
  rdvl x0, #1
  ret
