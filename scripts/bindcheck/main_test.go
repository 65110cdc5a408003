package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// header is a made-up header with every form of declaration that the real ones use.
const header = `
#ifndef X_H
#define X_H
#define X_DIMS 4 // a number
#define X_PARAMS 64
#define X_API extern
#ifdef __cplusplus
template<typename... Args>
constexpr inline void x_unused(Args&&...) noexcept {}
extern "C" {
#endif
    /* types; with (brackets) in { a comment */
    enum x_type { X_A = 0, X_B = 1 };
    typedef int32_t x_token;
    typedef struct x_opaque * x_handle;
    typedef bool (*x_callback)(float progress, void * data);
    struct x_tensor {
        enum x_type type;
        struct x_opaque * buffer;
        int64_t ne[X_DIMS]; // sizes
        int32_t op[X_PARAMS / sizeof(int32_t)];
        char name[16];
    };
    struct x_params { size_t size; void * mem; bool flag; };
    typedef struct x_pair { float a, b; } x_pair;

    X_API struct x_tensor * x_new(x_handle ctx, enum x_type type, int n_dims, const int64_t * ne);
    X_API x_handle x_init(struct x_params params);
    X_API void     x_free(x_handle ctx);
    X_API const char * x_name(const struct x_tensor * t);
    X_API void x_set_name(struct x_tensor * t, const char * name);
    X_API int32_t x_piece(x_token t, char * buf, int32_t length);
    X_API float x_scale(float s, double d, uint8_t v, unsigned int u);
    X_API bool x_flag(bool a);
    X_API void x_each(x_callback fn, void * data);
    X_API void x_list(struct x_tensor ** list, size_t n);
    X_API size_t x_size(void);
    X_API x_pair x_both(const float w[4]);
    DEPRECATED(X_API int64_t x_old(int64_t a, int64_t b), "use x_new, or (nothing)");
    X_ATTRIBUTE(1) static inline int x_inline(int a) { return a; }
    X_API int64_t x_after(void);
#ifdef __cplusplus
}
#endif
#endif
`

// prelude holds the Go types that the cases use.
const prelude = `package x

import "unsafe"

var _ unsafe.Pointer

const dims = 4

type Handle uintptr

type Tensor struct {
	Type   int32
	_      int32
	Buffer uintptr
	Ne     [dims]int64
	Op     [64 / 4]int32
	Name   [16]byte
}

type Params struct {
	Size uint64
	Mem  uintptr
	Flag bool
}

type Pair struct{ A, B float32 }

type Wrong struct {
	Size uint32
	Mem  uintptr
	Flag bool
}

`

func TestAudit(t *testing.T) {
	tests := []struct {
		name, field string
		fault       string // "" = agrees
	}{
		{"tensor", "F func(ctx Handle, typ int32, n int32, ne *int64) *Tensor `c:\"x_new\"`", ""},
		{"handle as uintptr", "F func(ctx uintptr, typ int32, n int32, ne *int64) uintptr `c:\"x_new\"`", ""},
		{"struct by value", "F func(p Params) Handle `c:\"x_init\"`", ""},
		{"struct as result", "F func(w *float32) Pair `c:\"x_both\"`", ""},
		{"text as result", "F func(t *Tensor) string `c:\"x_name\"`", ""},
		{"text as parameter", "F func(t *Tensor, name string) `c:\"x_set_name\"`", ""},
		{"buffer", "F func(t int32, buf *byte, n int32) int32 `c:\"x_piece\"`", ""},
		{"numbers", "F func(s float32, d float64, v uint8, u uint32) float32 `c:\"x_scale\"`", ""},
		{"bool", "F func(a bool) bool `c:\"x_flag\"`", ""},
		{"callback", "F func(fn, data uintptr) `c:\"x_each\"`", ""},
		{"callback as func", "F func(fn func(float32, uintptr) bool, data unsafe.Pointer) `c:\"x_each\"`", ""},
		{"list", "F func(list **Tensor, n uint64) `c:\"x_list\"`", ""},
		{"list of handles", "F func(list *Handle, n uint64) `c:\"x_list\"`", ""},
		{"deprecated", "F func(a, b int64) int64 `c:\"x_old\"`", ""},
		{"after a body", "F func() int64 `c:\"x_after\"`", ""},
		{"optional", "F func() uint64 `c:\"x_size,optional\"`", ""},
		{"address with signature", "F uintptr `c:\"x_size\" sig:\"func() uint64\"`", ""},
		{"BLAS with prefix", "F func(n int32) `c:\"scipy_openblas_set_num_threads\"`", ""},

		{"absent", "F func() `c:\"x_gone\"`", "x_gone: no prototype in the headers"},
		{"inline only", "F func(a int32) int32 `c:\"x_inline\"`", "x_inline: no prototype in the headers"},
		{"too few", "F func(ctx Handle) *Tensor `c:\"x_new\"`", "x_new: 1 parameters, C has 4"},
		{"too many", "F func(a int32) uint64 `c:\"x_size\"`", "x_size: 1 parameters, C has 0"},
		{"width", "F func(ctx Handle, typ int64, n int32, ne *int64) *Tensor `c:\"x_new\"`", "parameter 2: int64, C has enum"},
		{"sign", "F func(s float32, d float64, v uint8, u int32) float32 `c:\"x_scale\"`", "parameter 4: int32, C has uint32"},
		{"float width", "F func(s float64, d float64, v uint8, u uint32) float32 `c:\"x_scale\"`", "parameter 1: float64, C has float32"},
		{"integer for float", "F func(s int32, d float64, v uint8, u uint32) float32 `c:\"x_scale\"`", "parameter 1: int32, C has float32"},
		{"bool as integer", "F func(a int32) bool `c:\"x_flag\"`", "parameter 1: int32, C has bool"},
		{"result width", "F func() uint32 `c:\"x_size\"`", "result: uint32, C has uint64"},
		{"result of void", "F func(ctx Handle) int32 `c:\"x_free\"`", "result: int32, C has void"},
		{"pointee", "F func(ctx Handle, typ int32, n int32, ne *int32) *Tensor `c:\"x_new\"`", "parameter 4: int32*, C has const int64*"},
		{"pointer depth", "F func(list *Tensor, n uint64) `c:\"x_list\"`", "parameter 1: struct x.Tensor*, C has struct x_tensor**"},
		{"text for a buffer", "F func(t int32, buf string, n int32) int32 `c:\"x_piece\"`", "parameter 2: string, C has char*"},
		{"number for a pointer", "F func(ctx int64) `c:\"x_free\"`", "parameter 1: int64, C has struct x_opaque*"},
		{"Go int", "F func(a int) bool `c:\"x_flag\"`", "type int is no type that C knows"},
		{"slice", "F func(w []float32) Pair `c:\"x_both\"`", "parameter 1: the length of an array"},
		{"struct layout", "F func(p Wrong) Handle `c:\"x_init\"`", "x.Wrong: struct x_params: Size is uint32, C has uint64 size"},
		{"struct lost", "F func(w *float32) `c:\"x_both\"`", "result: none, C returns struct x_pair"},
		{"bare address", "F uintptr `c:\"x_size\"`", "x_size: a bare address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root, headers := write(t, prelude+"type API struct {\n\t"+tt.field+"\n}\n")
			report, err := audit(root, []string{headers})
			require.NoError(t, err)
			if tt.fault == "" {
				require.Empty(t, report.faults)
				require.NotEmpty(t, report.agreed)
				return
			}
			require.Len(t, report.faults, 1)
			require.Contains(t, report.faults[0], tt.fault)
		})
	}
}

// write puts the header and one Go file into folders of their own.
func write(t *testing.T, source string) (root, headers string) {
	t.Helper()
	dir := t.TempDir()
	root, headers = filepath.Join(dir, "x"), filepath.Join(dir, "include")
	require.NoError(t, os.Mkdir(root, 0o755))
	require.NoError(t, os.Mkdir(headers, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "api.go"), []byte(source), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(headers, "x.h"), []byte(header), 0o644))
	return root, headers
}

func TestAuditReportsEveryFault(t *testing.T) {
	root, headers := write(t, prelude+"type API struct {\n\tA func() `c:\"gone\"`\n\tB func() uint64 `c:\"x_size\"`\n\tC func() `c:\"lost\"`\n}\n")
	report, err := audit(root, []string{headers})
	require.NoError(t, err)
	require.Len(t, report.faults, 2)
	require.Equal(t, []string{"x_size"}, report.agreed)
}

func TestAuditBadInput(t *testing.T) {
	root, headers := write(t, prelude)
	_, err := audit(root, []string{t.TempDir()})
	require.ErrorContains(t, err, "no header")
	_, err = audit(root, []string{headers})
	require.ErrorContains(t, err, "no field with a c tag")
	root, headers = write(t, "package x\n\ntype API struct {\n\tA uintptr `c:\"x_size\" sig:\"func(\"`\n}\n")
	_, err = audit(root, []string{headers})
	require.ErrorContains(t, err, "sig")
}

// The real binding must at least be readable without headers: every declaration is found and none is a bare address.
func TestBindingIsReadable(t *testing.T) {
	decls, _, err := parseBinding(filepath.Join("..", "..", "binding"))
	require.NoError(t, err)
	require.Greater(t, len(decls), 50)
	for _, d := range decls {
		require.NotNil(t, d.typ, "%s: %s needs a sig tag", d.at, d.symbol)
	}
}
