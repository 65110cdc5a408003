//go:build linux || darwin

#include "textflag.h"

// C entry: DI = dst, SI = ith, DX = nth, CX = userdata. Stores them as a customArgs on the C stack and calls
// crosscall2(fn, frame, _, ctxt), which saves the callee-saved registers itself.
TEXT ·customEntry(SB), NOSPLIT|NOFRAME, $0
	SUBQ $40, SP
	MOVQ DI, 0(SP)
	MOVQ SI, 8(SP)
	MOVQ DX, 16(SP)
	MOVQ CX, 24(SP)
	MOVQ SP, SI
	MOVQ ·runCustomCall(SB), DI
	MOVQ (DI), DI
	MOVQ $0, CX
	CALL crosscall2(SB)
	ADDQ $40, SP
	RET

TEXT ·customEntryAddr(SB), NOSPLIT, $0-8
	LEAQ ·customEntry(SB), AX
	MOVQ AX, ret+0(FP)
	RET
