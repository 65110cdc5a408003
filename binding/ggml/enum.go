// Package ggml holds what graft calls of ggml: one declaration per C function, the mirrored structs and enums, and the gate that
// proves them against the library at load. It is the only place that sees C pointers of ggml as such.
package ggml

// TypeInfo is one entry of enum ggml_type: its number, the name ggml_type_name gives, values a block (ggml_blck_size) and
// bytes a block (ggml_type_size).
type TypeInfo struct {
	Number     int32
	Name       string
	BlockSize  int64
	BlockBytes int64
}

// Types mirrors enum ggml_type (ggml.h). The gate asks the library for every line.
var Types = [...]TypeInfo{
	{0, "f32", 1, 4}, {1, "f16", 1, 2}, {2, "q4_0", 32, 18}, {3, "q4_1", 32, 20}, {6, "q5_0", 32, 22}, {7, "q5_1", 32, 24},
	{8, "q8_0", 32, 34}, {9, "q8_1", 32, 36}, {10, "q2_K", 256, 84}, {11, "q3_K", 256, 110}, {12, "q4_K", 256, 144},
	{13, "q5_K", 256, 176}, {14, "q6_K", 256, 210}, {15, "q8_K", 256, 292}, {16, "iq2_xxs", 256, 66}, {17, "iq2_xs", 256, 74},
	{18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50}, {20, "iq4_nl", 32, 18}, {21, "iq3_s", 256, 110}, {22, "iq2_s", 256, 82},
	{23, "iq4_xs", 256, 136}, {24, "i8", 1, 1}, {25, "i16", 1, 2}, {26, "i32", 1, 4}, {27, "i64", 1, 8}, {28, "f64", 1, 8},
	{29, "iq1_m", 256, 56}, {30, "bf16", 1, 2}, {34, "tq1_0", 256, 54}, {35, "tq2_0", 256, 66}, {39, "mxfp4", 32, 17},
	{40, "nvfp4", 64, 36}, {41, "q1_0", 128, 18}, {42, "q2_0", 64, 18},
}

// Numbers of enum ggml_op that graft reads back or names; the gate asks ggml_op_name for each.
const (
	OpNone   = 0
	OpAdd    = 2
	OpMulMat = 29
	OpCustom = 95
	OpGLU    = 100
)

var opNames = map[int32]string{OpNone: "NONE", OpAdd: "ADD", OpMulMat: "MUL_MAT", OpCustom: "CUSTOM", OpGLU: "GLU"}
