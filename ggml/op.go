package ggml

// Op names a recorded operation. The names are ggml's, except the products, which are graft's own (product.go).
type Op string

// The operations that Graph records; package grad has one rule for each that can be differentiated.
const (
	OpNone         Op = ""
	OpMulMat       Op = "MulMat"
	OpMulMatT      Op = "MulMatT"
	OpOuterProd    Op = "OuterProd"
	OpAdd          Op = "Add"
	OpAddInplace   Op = "AddInplace"
	OpSub          Op = "Sub"
	OpMul          Op = "Mul"
	OpMulInplace   Op = "MulInplace"
	OpScale        Op = "Scale"
	OpSqr          Op = "Sqr"
	OpLog          Op = "Log"
	OpSum          Op = "Sum"
	OpArgMax       Op = "ArgMax"
	OpRepeat       Op = "Repeat"
	OpRepeatBack   Op = "RepeatBack"
	OpSilu         Op = "Silu"
	OpSiluBack     Op = "SiluBack"
	OpSwiGLU       Op = "SwiGLU"
	OpRMSNorm      Op = "RMSNorm"
	OpRMSNormBack  Op = "RMSNormBack"
	OpSoftMax      Op = "SoftMax"
	OpSoftMaxBack  Op = "SoftMaxBack"
	OpRope         Op = "Rope"
	OpRopeBack     Op = "RopeBack"
	OpGetRows      Op = "GetRows"
	OpGetRowsBack  Op = "GetRowsBack"
	OpSetRows      Op = "SetRows"
	OpReshape      Op = "Reshape"
	OpView         Op = "View"
	OpPermute      Op = "Permute"
	OpCont         Op = "Cont"
	OpConcat       Op = "Concat"
	OpOptStepAdamW Op = "OptStepAdamW"
)

// Ops lists every operation that Graph can record.
func Ops() []Op {
	return []Op{OpMulMat, OpMulMatT, OpOuterProd, OpAdd, OpAddInplace, OpSub, OpMul, OpMulInplace, OpScale, OpSqr, OpLog, OpSum, OpArgMax, OpRepeat,
		OpRepeatBack, OpSilu, OpSiluBack, OpSwiGLU, OpRMSNorm, OpRMSNormBack, OpSoftMax, OpSoftMaxBack, OpRope, OpRopeBack,
		OpGetRows, OpGetRowsBack, OpSetRows, OpReshape, OpView, OpPermute, OpCont, OpConcat, OpOptStepAdamW}
}
