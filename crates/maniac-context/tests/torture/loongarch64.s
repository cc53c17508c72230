# torture_*(context: $a0, rounds: $a1): loads every register from the context, counts `rounds` down, and stores every register behind OUT.
# torture_low(stack pointer: $a0, rounds: $a1): counts down with that stack pointer.
.macro enter
  addi.d $sp, $sp, -176
  st.d $ra, $sp, 0
  st.d $fp, $sp, 8
  .irp n,0,1,2,3,4,5,6,7,8
  st.d $s\n, $sp, (16 + 8 * \n)
  .endr
  .irp n,24,25,26,27,28,29,30,31
  fst.d $f\n, $sp, (96 + 8 * (\n - 24))
  .endr
  movfcsr2gr $a2, $fcsr0
  st.d $a2, $sp, 160
.endm

# Leaves $a1 pointing behind OUT, and $a2 free.
.macro count
  ld.d $a2, $a0, 512
  movgr2fcsr $fcsr0, $a2
  .irp n,0,1,2,3,4,5,6,7
  ld.d $a2, $a0, (520 + 8 * \n)
  movgr2cf $fcc\n, $a2
  .endr
  .irp n,1,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,22,23,24,25,26,27,28,29,30,31
  ld.d $r\n, $a0, (8 * \n)
  .endr
2:
  addi.d $a1, $a1, -1
  bnez $a1, 2b
  lu12i.w $a1, 4
  add.d $a1, $a0, $a1
  .irp n,1,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,22,23,24,25,26,27,28,29,30,31
  st.d $r\n, $a1, (8 * \n)
  .endr
  movfcsr2gr $a2, $fcsr0
  st.d $a2, $a1, 512
  .irp n,0,1,2,3,4,5,6,7
  movcf2gr $a2, $fcc\n
  st.d $a2, $a1, (520 + 8 * \n)
  .endr
.endm

.macro leave
  ld.d $a2, $sp, 160
  movgr2fcsr $fcsr0, $a2
  ld.d $ra, $sp, 0
  ld.d $fp, $sp, 8
  .irp n,0,1,2,3,4,5,6,7,8
  ld.d $s\n, $sp, (16 + 8 * \n)
  .endr
  .irp n,24,25,26,27,28,29,30,31
  fld.d $f\n, $sp, (96 + 8 * (\n - 24))
  .endr
  addi.d $sp, $sp, 176
  ret
.endm

.text
.globl torture_begin
torture_begin:
.globl torture_float
torture_float:
  enter
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fld.d $f\n, $a0, (1024 + 16 * \n)
  .endr
  count
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  fst.d $f\n, $a1, (1024 + 16 * \n)
  .endr
  leave
.globl torture_lsx
torture_lsx:
  enter
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vld $vr\n, $a0, (1024 + 16 * \n)
  .endr
  count
  .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  vst $vr\n, $a1, (1024 + 16 * \n)
  .endr
  leave
.globl torture_low
torture_low:
  move $a2, $sp
  move $sp, $a0
2:
  addi.d $a1, $a1, -1
  bnez $a1, 2b
  move $sp, $a2
  ret
.globl torture_end
torture_end:
  nop
