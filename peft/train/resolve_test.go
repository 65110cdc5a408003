package train

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft/data"
)

// bytesAsTokens is a tokenizer whose tokens are bytes, without BOS.
type bytesAsTokens struct{}

func (bytesAsTokens) Tokenize(text string, _, _ bool) ([]int32, error) {
	ids := make([]int32, len(text))
	for i := range ids {
		ids[i] = int32(text[i])
	}
	return ids, nil
}
func (bytesAsTokens) N() int             { return 256 }
func (bytesAsTokens) BOS() (int32, bool) { return 0, false }
func (bytesAsTokens) EOS() (int32, bool) { return 0, false }
func (bytesAsTokens) AddBOS() bool       { return false }
func (bytesAsTokens) AddEOS() bool       { return false }

// rows makes a set of n rows of the given length.
func rows(t *testing.T, n, length int) *data.Set {
	return read(t, "a.jsonl", strings.Repeat(`{"text":"`+strings.Repeat("a", length)+"\"}\n", n))
}

// labelledAfter are rows of so many tokens that have a label from token first on.
func labelledAfter(t *testing.T, n, first, length int) *data.Set {
	ids, labels := strings.Repeat("5,", length-1)+"5", strings.Repeat("-100,", first)+strings.Repeat("5,", length-first-1)+"5"
	return read(t, "a.jsonl", strings.Repeat(`{"input_ids":[`+ids+`],"labels":[`+labels+"]}\n", n))
}

func read(t *testing.T, name, content string) *data.Set {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	s, err := data.Read([]string{path}, bytesAsTokens{}, data.Options{})
	require.NoError(t, err)
	return s
}

func TestResolve(t *testing.T) {
	type want struct {
		ctx, batch, accum  int
		pack               bool
		trainRows, valid   int
		steps, warmup, evl int
	}
	for _, k := range []struct {
		name     string
		set      func(*testing.T) *data.Set
		change   func(*Config)
		modelCtx int
		want     want
	}{
		{"a few rows", func(t *testing.T) *data.Set { return rows(t, 50, 100) }, nil, 2048,
			want{128, 8, 1, false, 50, 0, 21, 1, 7}},
		{"enough rows for packing and validation", func(t *testing.T) *data.Set { return rows(t, 4000, 100) }, nil, 2048,
			want{128, 8, 1, true, 3800, 200, 1425, 43, 475}},
		{"steps take no validation rows", func(t *testing.T) *data.Set { return rows(t, 200, 100) }, func(c *Config) { c.Steps = 300 }, 2048,
			want{128, 8, 1, true, 200, 0, 300, 9, 25}},
		{"a long row", func(t *testing.T) *data.Set { return rows(t, 8, 5000) }, nil, 8192, want{2048, 1, 8, false, 8, 0, 3, 1, 1}},
		{"the model's context", func(t *testing.T) *data.Set { return rows(t, 8, 5000) }, nil, 500, want{500, 4, 2, false, 8, 0, 3, 1, 1}},
		{"plain text", func(t *testing.T) *data.Set { return read(t, "a.txt", strings.Repeat("word ", 2048)) }, nil, 2048,
			want{512, 4, 2, false, 20, 0, 9, 1, 3}},
		{"a given batch size", func(t *testing.T) *data.Set { return rows(t, 50, 100) }, func(c *Config) { c.Batch = Given(3) }, 0,
			want{128, 3, 3, false, 50, 0, 18, 1, 6}},
		{"given accumulation", func(t *testing.T) *data.Set { return rows(t, 50, 100) }, func(c *Config) { c.Accum = Given(4) }, 0,
			want{128, 2, 4, false, 50, 0, 21, 1, 7}},
		{"a given split", func(t *testing.T) *data.Set { return rows(t, 50, 100) }, func(c *Config) { c.Split = Given(0.2) }, 0,
			want{128, 8, 1, false, 40, 10, 15, 1, 5}},
		{"no split", func(t *testing.T) *data.Set { return rows(t, 200, 100) }, func(c *Config) { c.Split = Given(0) }, 0,
			want{128, 8, 1, false, 200, 0, 75, 3, 25}},
		{"half an epoch", func(t *testing.T) *data.Set { return rows(t, 50, 100) }, func(c *Config) { c.Epochs, c.EvalEvery = 0.5, Given(2) }, 0,
			want{128, 8, 1, false, 50, 0, 4, 1, 2}},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := valid()
			if k.change != nil {
				k.change(&c)
			}
			r, err := Resolve(c, k.set(t), nil, k.modelCtx, nil)
			require.NoError(t, err)
			got := want{r.Ctx.Int(), r.Batch.Int(), r.Accum.Int(), r.Packing.On(), len(r.TrainSet.Rows), 0, r.TotalSteps, r.WarmupSteps, r.EvalSteps}
			if r.ValidSet != nil {
				got.valid = len(r.ValidSet.Rows)
				require.NotNil(t, r.ValidPlan)
			}
			require.Equal(t, k.want, got, strings.Join(r.Reasons, "\n"))
			for _, s := range Settings() {
				if s.Auto != "" && s.Name != "threads" && s.Name != "base-lr" { // no weight of the base trains here
					require.NotEqual(t, "auto", s.Get(&r.Config), "%s must be a number now", s.Name)
				}
			}
		})
	}
}

// A run's config.yaml solves to the same run again.
func TestResolveAgain(t *testing.T) {
	set := rows(t, 333, 70)
	first, err := Resolve(valid(), set, nil, 2048, nil)
	require.NoError(t, err)
	text, err := first.YAML()
	require.NoError(t, err)
	c := DefaultConfig()
	require.NoError(t, ParseSettings("config.yaml", text, &c))
	require.NoError(t, c.Validate())
	again, err := Resolve(c, rows(t, 333, 70), nil, 2048, nil)
	require.NoError(t, err)
	require.Equal(t, first.Config, again.Config)
	require.Equal(t, first.TotalSteps, again.TotalSteps)
	line := func(s *data.Set) (out []int) {
		for _, r := range s.Rows {
			out = append(out, r.Line)
		}
		return out
	}
	require.Equal(t, line(first.ValidSet), line(again.ValidSet))
	require.False(t, slices.ContainsFunc(again.Reasons, func(s string) bool { return strings.HasPrefix(s, "ctx") }), "nothing is guessed again")
}

func TestResolveFaults(t *testing.T) {
	c := valid()
	c.Split = Given(0.01)
	_, err := Resolve(c, rows(t, 10, 10), nil, 0, nil)
	require.ErrorContains(t, err, "--valid-split 0.01: not one row of 10")
	c.Split = Given(0.99)
	_, err = Resolve(c, rows(t, 10, 10), nil, 0, nil)
	require.ErrorContains(t, err, "--valid-split")
	c = valid()
	c.Epochs = 1e300
	_, err = Resolve(c, rows(t, 10, 10), nil, 0, nil)
	require.ErrorContains(t, err, "--epochs")
}

func TestResolveWarns(t *testing.T) {
	r, err := Resolve(valid(), rows(t, 50, 100), nil, 64, nil)
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "only 21 optimizer steps, which may teach little; --epochs 8 gives 56")
	require.Contains(t, strings.Join(r.Reasons, "\n"), "50 of 50 rows are longer than ctx and were cut; --ctx 100 would cut none")

	c := valid()
	c.Steps = 49
	r, err = Resolve(c, rows(t, 50, 100), nil, 0, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"only 49 optimizer steps, which may teach little; --steps 50 or more is usual"}, r.Warnings)
	c.Steps, c.Epochs = 0, 0.1
	r, err = Resolve(c, rows(t, 50, 100), nil, 0, nil)
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "only 1 optimizer steps")
	require.Contains(t, strings.Join(r.Warnings, "\n"), "--warmup 0 leaves it out", "its one step has a rate of 0")
}

func TestResolveFits(t *testing.T) {
	t.Run("fewer sequences, then shorter ones", func(t *testing.T) {
		r, err := Resolve(valid(), rows(t, 50, 300), nil, 0, func(n, tokens int) bool { return n*tokens <= 1000 })
		require.NoError(t, err)
		require.LessOrEqual(t, r.Batch.Int()*r.Ctx.Int(), 1000)
		require.Equal(t, 320, r.Ctx.Int())
		require.GreaterOrEqual(t, r.Batch.Int()*r.Accum.Int(), 8)
		r, err = Resolve(valid(), rows(t, 50, 300), nil, 0, func(n, tokens int) bool { return n*tokens <= 200 })
		require.NoError(t, err)
		require.Equal(t, []int{1, 128}, []int{r.Batch.Int(), r.Ctx.Int()})
		require.Contains(t, strings.Join(r.Reasons, "\n"), "320 tokens do not fit into memory")
	})
	t.Run("prompts longer than the model's context", func(t *testing.T) {
		set := labelledAfter(t, 50, 600, 700)
		r, err := Resolve(valid(), set, nil, 512, nil)
		require.NoError(t, err)
		require.Equal(t, 640, r.Ctx.Int())
		require.Len(t, r.TrainSet.Rows, 50)
		require.Contains(t, strings.Join(r.Warnings, "\n"), "the first 512 tokens of every row are prompt alone")
	})
	t.Run("prompts longer than any automatic context", func(t *testing.T) {
		r, err := Resolve(valid(), labelledAfter(t, 50, 5000, 5100), nil, 512, nil)
		require.NoError(t, err)
		require.Equal(t, 5056, r.Ctx.Int())
		require.Len(t, r.TrainSet.Rows, 50)
	})
	t.Run("half of the rows need more than memory allows", func(t *testing.T) {
		ids := func(first int) string {
			return `{"input_ids":[` + strings.Repeat("5,", first) + `5],"labels":[` + strings.Repeat("-100,", first) + "5]}\n"
		}
		set := read(t, "a.jsonl", strings.Repeat(ids(600), 2)+strings.Repeat(ids(1500), 8))
		r, err := Resolve(valid(), set, nil, 512, func(n, tokens int) bool { return n*tokens <= 1000 })
		require.NoError(t, err)
		require.Equal(t, []int{640, 2}, []int{r.Ctx.Int(), len(r.TrainSet.Rows)})
	})
}
