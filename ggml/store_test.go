package ggml

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	bind "github.com/graft-go/graft/binding/ggml"
)

func TestStore(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 1})
	s, err := NewStore(b, 4)
	require.NoError(t, err)
	x := s.New("x", TypeF32, 5, 3)
	const name = "a name that is longer than the 63 bytes that the library keeps of any name"
	long := s.New(name, TypeQ8_0, 64, 2)
	v := s.View("v", x, 5, 5, 2)
	n := s.New("n", TypeI32, 4)
	require.NoError(t, s.Alloc())
	require.Equal(t, make([]float32, 15), x.F32(), "zeros at first")
	require.Equal(t, name, long.Name)
	require.EqualValues(t, 136, long.Bytes())
	require.GreaterOrEqual(t, s.Bytes(), int64(15*4+136+16))

	x.SetF32(5, counting(10, 0, 1))
	require.Equal(t, counting(10, 0, 1), v.F32(), "a view shows the values of its tensor")
	v.SetF32(9, []float32{-1})
	require.Equal(t, float32(-1), x.F32()[14])
	n.SetI32([]int32{1, 2, 3, 4})
	s.Zero()
	require.Equal(t, make([]float32, 15), x.F32())
	require.ErrorContains(t, s.Alloc(), "already")
	s.Close()
	s.Close()
	(*Store)(nil).Close()

	empty, err := NewStore(b, 0)
	require.NoError(t, err)
	require.NoError(t, empty.Alloc())
	empty.Zero()
	require.Zero(t, empty.Bytes())
	empty.Close()
}

// shapeError runs f and returns the *ShapeError that it must throw.
func shapeError(t *testing.T, f func()) (e *ShapeError) {
	t.Helper()
	defer func() {
		var ok bool
		e, ok = recover().(*ShapeError)
		require.True(t, ok, "no *ShapeError")
		require.False(t, bind.Poisoned(), "the library has aborted")
	}()
	f()
	return nil
}

func TestStoreRefuses(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 1})
	s, err := NewStore(b, 6)
	require.NoError(t, err)
	defer s.Close()
	x, q, n := s.New("x", TypeF32, 5, 3), s.New("q", TypeQ8_0, 32, 2), s.New("n", TypeI32, 4)
	require.NoError(t, s.Alloc())
	late := s.New("late", TypeF32, 5)
	cases := []struct {
		name string
		f    func()
	}{
		{"no dimensions", func() { s.New("x", TypeF32) }},
		{"five dimensions", func() { s.New("x", TypeF32, 1, 1, 1, 1, 1) }},
		{"an empty dimension", func() { s.New("x", TypeF32, 5, 0) }},
		{"a negative dimension", func() { s.New("x", TypeF32, -5, -3) }},
		{"dimensions that overflow", func() { s.New("x", TypeF32, 1<<32, 1<<32) }},
		{"an unknown type", func() { s.New("x", Type(99), 5) }},
		{"a negative type", func() { s.New("x", Type(-1), 5) }},
		{"a removed type", func() { s.New("x", Type(4), 32) }},
		{"half a block", func() { s.New("x", TypeQ8_0, 48) }},
		{"a view beyond the end", func() { s.View("v", x, 10, 3, 2) }},
		{"a view before the start", func() { s.View("v", x, -1, 3) }},
		{"a view of negative shape", func() { s.View("v", x, 0, -3, -5) }},
		{"a view that overflows", func() { s.View("v", x, math.MaxInt64, 1) }},
		{"a view of five dimensions", func() { s.View("v", x, 0, 1, 1, 1, 1, 1) }},
		{"a view of blocks", func() { s.View("v", q, 0, 32) }},
		{"too many values", func() { x.SetF32(1, make([]float32, 15)) }},
		{"an offset that overflows", func() { x.SetF32(math.MaxInt64, make([]float32, 1)) }},
		{"a negative offset", func() { x.SetF32(-1, make([]float32, 1)) }},
		{"values of another type", func() { n.SetF32(0, make([]float32, 1)) }},
		{"indices of another type", func() { x.SetI32(make([]int32, 1)) }},
		{"too many indices", func() { n.SetI32(make([]int32, 5)) }},
		{"too few bytes", func() { q.SetBytes(make([]byte, 67)) }},
		{"too many bytes", func() { q.SetBytes(make([]byte, 69)) }},
		{"reading too much", func() { x.GetF32(make([]float32, 16)) }},
		{"reading another type", func() { q.F32() }},
		{"writing without memory", func() { late.SetF32(0, make([]float32, 1)) }},
		{"writing bytes without memory", func() { late.SetBytes(make([]byte, 20)) }},
		{"reading without memory", func() { late.F32() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.NotEmpty(t, shapeError(t, c.f).Error()) })
	}
	s.New("fifth", TypeF32, 1)
	s.View("sixth", x, 0, 1)
	for range 3 {
		require.ErrorContains(t, shapeError(t, func() { s.New("seventh", TypeF32, 1) }), "full with 6 tensors")
		require.ErrorContains(t, shapeError(t, func() { s.View("seventh", x, 0, 1) }), "full with 6 tensors")
	}
}

func TestMap(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 1})
	memory, other := make([]byte, 4096), make([]byte, 8192) // of sizes that Go aligns
	s, err := NewStore(b, 2)
	require.NoError(t, err)
	defer s.Close()
	x := s.New("x", TypeF32, 8)
	require.NoError(t, s.Map([][]byte{other, memory}, memory, func(*Tensor) []byte { return memory[64:96] }))
	require.EqualValues(t, 32, s.Bytes())
	require.ErrorContains(t, s.Map([][]byte{memory}, nil, nil), "its memory already")
	x.SetF32(0, []float32{1})
	require.Equal(t, []byte{0, 0, 128, 63}, memory[64:68])

	for name, c := range map[string]struct {
		memory []byte
		data   func(*Tensor) []byte
	}{
		"no memory":                {nil, func(*Tensor) []byte { return nil }},
		"too few bytes":            {memory, func(*Tensor) []byte { return memory[:28] }},
		"outside of memory":        {memory[:64], func(*Tensor) []byte { return memory[48:80] }},
		"more than memory":         {memory[:16], func(*Tensor) []byte { return memory[:32] }},
		"memory at an odd address": {memory[1:], func(*Tensor) []byte { return memory[1:33] }},
		"other memory":             {memory, func(*Tensor) []byte { return make([]byte, 32) }},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewStore(b, 1)
			require.NoError(t, err)
			defer s.Close()
			s.New("x", TypeF32, 8)
			require.Error(t, s.Map([][]byte{c.memory}, nil, c.data))
			require.False(t, bind.Poisoned())
		})
	}
}

// Rounding of each type over values between −1 and 1: half a step of the coarsest block, measured against its format.
func TestQuantizeRoundTrip(t *testing.T) {
	for _, c := range []struct {
		typ Type
		tol float64
	}{
		{TypeF32, 0}, {TypeF16, 1.0 / 2048}, {TypeBF16, 1.0 / 256}, {TypeQ8_0, 0.6 / 127}, {TypeQ5_0, 0.5 / 15 * 2}, {TypeQ5_1, 1.0 / 31}, {TypeQ4_0, 1.0 / 8},
		{TypeQ4_1, 1.0 / 15}, {TypeQ6_K, 1.0 / 31}, {TypeQ5_K, 1.0 / 15}, {TypeQ4_K, 2.0 / 15}, {TypeQ3_K, 0.3}, {TypeQ2_K, 0.5}, {TypeIQ4_NL, 0.2}, {TypeIQ4_XS, 0.2},
	} {
		t.Run(c.typ.String(), func(t *testing.T) {
			v := random(4*512, 5)
			data, back := make([]byte, 4*c.typ.RowSize(512)), make([]float32, len(v))
			require.NoError(t, Quantize(c.typ, v, 512, data))
			require.NoError(t, Dequantize(c.typ, data, back))
			var worst float64
			for i := range v {
				worst = max(worst, math.Abs(float64(v[i]-back[i])))
			}
			require.LessOrEqual(t, worst, c.tol)
			if c.typ != TypeF32 {
				require.Greater(t, worst, c.tol/20, "the bound says nothing")
			}
		})
	}
}

// Every type there is, and some there are not: converted or refused, never an abort. Types whose tables take the library
// seconds to build are tried where there is time.
func TestQuantizeRefuses(t *testing.T) {
	v := random(512, 5)
	for typ := Type(-2); typ < 70; typ++ {
		if slowTables(typ) && os.Getenv("GRAFT_SLOW") == "" {
			continue
		}
		data := make([]byte, typ.RowSize(512))
		if err := Quantize(typ, v, 512, data); err == nil {
			require.NoError(t, Dequantize(typ, data, make([]float32, 512)), typ)
		}
		require.False(t, bind.Poisoned(), "%s aborts", typ)
		require.Error(t, Quantize(typ, v[:511], 511, make([]byte, 511*4+1)), typ)
	}
	q8 := make([]byte, TypeQ8_0.RowSize(512))
	require.ErrorContains(t, Quantize(TypeQ8_0, v, 500, q8), "blocks of 32")
	require.ErrorContains(t, Quantize(TypeQ8_0, v, 0, q8), "do not fit")
	require.ErrorContains(t, Quantize(TypeQ8_0, v, -32, q8), "do not fit")
	require.ErrorContains(t, Quantize(TypeQ8_0, nil, 32, nil), "do not fit")
	require.ErrorContains(t, Quantize(TypeQ8_0, v, 512, q8[1:]), "bytes instead of")
	require.ErrorContains(t, Dequantize(TypeQ8_0, q8, make([]float32, 500)), "do not hold")
	require.ErrorContains(t, Dequantize(TypeQ8_0, q8, make([]float32, 480)), "do not hold")
	require.ErrorContains(t, Dequantize(TypeQ8_0, q8, nil), "do not hold")
}
