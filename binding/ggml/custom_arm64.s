//go:build linux || darwin

#include "textflag.h"

// C entry: R0 = dst, R1 = ith, R2 = nth, R3 = userdata. Stores them as a customArgs on the C stack and calls
// crosscall2(fn, frame, _, ctxt). crosscall2 leaves LR and, through Go's address loads, R27 to its caller.
TEXT ·customEntry(SB), NOSPLIT|NOFRAME, $0
	SUB  $48, RSP
	STP  (R0, R1), 0(RSP)
	STP  (R2, R3), 16(RSP)
	STP  (R27, R30), 32(RSP)
	MOVD RSP, R1
	MOVD ·runCustomCall(SB), R0
	MOVD (R0), R0
	MOVD $0, R3
	BL   crosscall2(SB)
	LDP  32(RSP), (R27, R30)
	ADD  $48, RSP
	RET

TEXT ·customEntryAddr(SB), NOSPLIT, $0-8
	MOVD $·customEntry(SB), R0
	MOVD R0, ret+0(FP)
	RET
