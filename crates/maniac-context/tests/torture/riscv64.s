# torture_*(context: a0, rounds: a1): loads every register from the context, counts `rounds` down, and stores every register behind OUT.
# torture_low(stack pointer: a0, rounds: a1): counts down with that stack pointer.
.macro enter
  addi sp, sp, -224
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11
  sd s\n, (8 + 8 * \n)(sp)
  fsd fs\n, (112 + 8 * \n)(sp)
  .endr
  sd ra, 0(sp)
  frcsr a2
  sd a2, 208(sp)
.endm

# Leaves a1 pointing behind OUT, and a2 to a4 free.
.macro count
  ld a2, 512(a0)
  fscsr a2
  .irp n,1,5,6,7,8,9,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  ld x\n, (8 * \n)(a0)
  .endr
2:
  addi a1, a1, -1
  bnez a1, 2b
  lui a1, 4
  add a1, a0, a1
  .irp n,1,5,6,7,8,9,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  sd x\n, (8 * \n)(a1)
  .endr
  frcsr a2
  sd a2, 512(a1)
.endm

.macro leave
  ld a2, 208(sp)
  fscsr a2
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11
  ld s\n, (8 + 8 * \n)(sp)
  fld fs\n, (112 + 8 * \n)(sp)
  .endr
  ld ra, 0(sp)
  addi sp, sp, 224
  ret
.endm

.text
.option push
.option arch, +d
.globl torture_begin
torture_begin:
.globl torture_float
torture_float:
  enter
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fld f\n, (768 + 8 * \n)(a0)
  .endr
  count
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fsd f\n, (768 + 8 * \n)(a1)
  .endr
  leave
.option arch, +v
.globl torture_vector
torture_vector:
  enter
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fld f\n, (768 + 8 * \n)(a0)
  .endr
  addi a2, a0, 1024
  vsetvli a3, zero, e8, m8, ta, ma
  vle8.v v0, (a2)
  add a2, a2, a3
  vle8.v v8, (a2)
  add a2, a2, a3
  vle8.v v16, (a2)
  add a2, a2, a3
  vle8.v v24, (a2)
  # A length and a type that nothing else sets, rounding down, saturated.
  li a2, 3
  vsetvli a3, a2, e16, m2, tu, mu
  li a2, 5
  csrw vcsr, a2
  count
  csrr a2, vl
  sd a2, 520(a1)
  csrr a2, vtype
  sd a2, 528(a1)
  csrr a2, vcsr
  sd a2, 536(a1)
  addi a2, a1, 1024
  vsetvli a3, zero, e8, m8, ta, ma
  vse8.v v0, (a2)
  add a2, a2, a3
  vse8.v v8, (a2)
  add a2, a2, a3
  vse8.v v16, (a2)
  add a2, a2, a3
  vse8.v v24, (a2)
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fsd f\n, (768 + 8 * \n)(a1)
  .endr
  leave
.globl torture_low
torture_low:
  mv a2, sp
  mv sp, a0
2:
  addi a1, a1, -1
  bnez a1, 2b
  mv sp, a2
  ret
.globl torture_end
torture_end:
  nop
.globl torture_vector_bytes
torture_vector_bytes:
  csrr a0, vlenb
  ret
.option pop
