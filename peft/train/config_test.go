package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft"
)

// valid is a Config without faults.
func valid() Config {
	c := DefaultConfig()
	c.Model, c.Data, c.Out = "base.gguf", []string{"a.jsonl"}, "run"
	return c
}

func TestValidate(t *testing.T) {
	c := valid()
	require.NoError(t, c.Validate())
	for _, k := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no model", func(c *Config) { c.Model = "" }, "--model: no base model given; give a GGUF file"},
		{"no data", func(c *Config) { c.Data = nil }, "--data: no training data"},
		{"no run folder", func(c *Config) { c.Out = "" }, "--out: no run folder"},
		{"rank 0", func(c *Config) { c.Rank = 0 }, "--rank 0: not between 1"},
		{"a negative alpha", func(c *Config) { c.Alpha = Given(-1) }, "--alpha -1: not above 0"},
		{"a target with a slip", func(c *Config) { c.Targets = []string{"atn_q"} }, `"atn_q" is no matrix that LoRA can be put on; did you mean attn_q?`},
		{"an unknown target", func(c *Config) { c.Targets = []string{"embeddings"} }, "choose from attn_q"},
		{"no target", func(c *Config) { c.Targets = nil }, "--targets: no matrix to train"},
		{"a method that is not built", func(c *Config) { c.Method = []string{"bottleneck"} }, "--method bottleneck: not built; give lora, full"},
		{"layers", func(c *Config) { c.Layers = "first:2" }, "--lora-layers first:2"},
		{"layers backwards", func(c *Config) { c.Layers = "3-1" }, "runs backwards"},
		{"a schedule with a slip", func(c *Config) { c.Schedule = "cosin" }, "did you mean cosine?"},
		{"lr 0", func(c *Config) { c.LR = Given(0) }, "--lr 0: not above 0"},
		{"warm-up of one and a half", func(c *Config) { c.Warmup = 1.5 }, "--warmup 1.5"},
		{"beta2 of 1", func(c *Config) { c.Beta2 = 1 }, "--beta2 1"},
		{"a negative clip", func(c *Config) { c.Clip = -1 }, "--clip -1"},
		{"ctx 1", func(c *Config) { c.Ctx = Given(1) }, "--ctx 1"},
		{"batch size 0", func(c *Config) { c.Batch = Given(0) }, "--batch-size 0"},
		{"early stop below 0", func(c *Config) { c.EarlyStop = -1 }, "--early-stop -1"},
		{"a checkpoint now and then", func(c *Config) { c.SaveEvery = "often" }, "--save-every often: neither a number of optimizer steps nor a duration; write 100"},
		{"a checkpoint every minus three steps", func(c *Config) { c.SaveEvery = "-3" }, "--save-every -3"},
		{"no checkpoint kept", func(c *Config) { c.Keep = 0 }, "--keep 0: below 1"},
		{"epochs 0", func(c *Config) { c.Epochs = 0 }, "--epochs 0"},
		{"negative steps", func(c *Config) { c.Steps = -5 }, "--steps -5"},
		{"a split of 1", func(c *Config) { c.Split = Given(1) }, "--valid-split 1: not a fraction"},
		{"two kinds of validation rows", func(c *Config) { c.Valid, c.Split = "v.jsonl", Given(0.1) }, "--valid gives the validation rows already"},
		{"a device that is not built", func(c *Config) { c.Device = "cuda0" }, "--device cuda0"},
		{"a format of a later time", func(c *Config) { c.Format = "csv" }, "--format csv"},
		{"no such field", func(c *Config) { c.Fields = []string{"promt=question"} }, "--field"},
		{"no such chat template", func(c *Config) { c.ChatTemplate = "chatlm" }, "--chat-template chatlm"},
		{"no date", func(c *Config) { c.ChatDate = "today" }, "--chat-date today"},
		{"no such loss", func(c *Config) { c.LossOn = "prompt" }, "--loss-on prompt"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := valid()
			k.change(&c)
			err := c.Validate()
			require.ErrorContains(t, err, k.want)
			require.ErrorIs(t, err, peft.ErrInput)
		})
	}
	t.Run("all faults at once", func(t *testing.T) {
		c := valid()
		c.Rank, c.LR, c.Targets = 0, Given(-1), []string{"x"}
		err := c.Validate()
		require.Len(t, err.(Faults), 3)
		for _, flag := range []string{"--rank 0", "--lr -1", "--targets x"} {
			require.ErrorContains(t, err, flag)
		}
	})
	t.Run("steps make epochs superfluous", func(t *testing.T) {
		c := valid()
		c.Epochs, c.Steps = 0, 5
		require.NoError(t, c.Validate())
	})
}

func TestTargetNames(t *testing.T) {
	for _, k := range []struct {
		name          string
		targets, want []string
	}{
		{"all linear", []string{AllLinear}, Linears()},
		{"in the order of a forward pass, each once", []string{"ffn_up", "attn_v", "ffn_up"}, []string{"attn_v", "ffn_up"}},
		{"Hugging Face's names", []string{"o_proj", "q_proj"}, []string{"attn_q", "attn_output"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := Config{Targets: k.targets}
			require.Equal(t, k.want, c.TargetNames())
		})
	}
}

func TestLoRALayers(t *testing.T) {
	for _, k := range []struct {
		text string
		want []int
		why  string
	}{
		{"all", []int{0, 1, 2, 3, 4}, ""},
		{"last:2", []int{3, 4}, ""},
		{"0-1,3", []int{0, 1, 3}, ""},
		{" 4 , 0 - 0", []int{0, 4}, ""},
		{"last:6", nil, "6 blocks, but the model has 5"},
		{"3-5", nil, "block 5, but the model has the blocks 0…4"},
		{"-1", nil, "no block"},
		{"", nil, "no block"},
		{"last:0", nil, "no number"},
	} {
		t.Run(k.text, func(t *testing.T) {
			c := Config{Layers: k.text}
			got, err := c.LoRALayers(5)
			if k.why != "" {
				require.ErrorContains(t, err, k.why)
				return
			}
			require.NoError(t, err)
			require.Equal(t, k.want, got)
		})
	}
}

func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Settings() {
		require.NotEmpty(t, s.Name)
		require.NotEmpty(t, s.Help, s.Name)
		require.Equal(t, len(s.Kind) > 4 && s.Kind[:5] == "auto ", s.Auto != "", s.Name)
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			require.False(t, seen[name], name)
			seen[name] = true
		}
		c, d := DefaultConfig(), DefaultConfig()
		if s.Name == "data" {
			continue
		}
		require.NoError(t, s.Set(&c, s.Get(&d)), s.Name)
		require.Equal(t, s.Get(&d), s.Get(&c), s.Name)
	}
}

func TestParseSettings(t *testing.T) {
	for _, k := range []struct {
		name, text string
		change     func(*Config)
	}{
		{"empty", "", func(*Config) {}},
		{"a comment alone", "# nothing\n", func(*Config) {}},
		{"one value", "rank: 4", func(c *Config) { c.Rank = 4 }},
		{"kinds", "model: a.gguf\nlr: 1e-3\nctx: auto\nbatch-size: 2\npacking: false\n", func(c *Config) {
			c.Model, c.LR, c.Batch, c.Packing = "a.gguf", Given(1e-3), Given(2), Given(0)
		}},
		{"lists", "data: [a, b]\ntargets:\n  - attn_q\n  - attn_v\n", func(c *Config) {
			c.Data, c.Targets = []string{"a", "b"}, []string{"attn_q", "attn_v"}
		}},
		{"a list as one text", "data: a,b\ntargets: attn_q, attn_v\n", func(c *Config) {
			c.Data, c.Targets = []string{"a,b"}, []string{"attn_q", "attn_v"}
		}},
		{"other names and underscores", "max_steps: 5\nlearning_rate: 0.1\n", func(c *Config) { c.Steps, c.LR = 5, Given(0.1) }},
		{"null is the default", "rank:\nalpha: null\n", func(*Config) {}},
		{"a name that looks like a number", "model: \"007\"\nlora-layers: 3\n", func(c *Config) { c.Model, c.Layers = "007", "3" }},
		{"off and capitals", "steps: off\ndevice: CPU\n", func(c *Config) { c.Device = "cpu" }},
	} {
		t.Run(k.name, func(t *testing.T) {
			c, want := DefaultConfig(), DefaultConfig()
			k.change(&want)
			require.NoError(t, ParseSettings("x.yaml", []byte(k.text), &c))
			require.Equal(t, want, c)
		})
	}
	for _, k := range []struct{ name, text, want string }{
		{"unknown", "rank: 4\nrnk: 4\n", `settings: x.yaml:2: unknown setting "rnk"; did you mean rank?`},
		{"of a later time", "model: a\ngrad-checkpointing: on\n", `x.yaml:2: unknown setting "grad-checkpointing"`},
		{"no number", "rank: four", `x.yaml:1: rank: "four" is not a whole number`},
		{"a list for one value", "rank: [1]", "x.yaml:1: rank: a list, where one value is needed"},
		{"a mapping for a value", "rank:\n  a: 1\n", "rank: not one plain value"},
		{"not YAML", "rank: 4\ntargets: [\n", "not valid YAML"},
		{"twice", "rank: 4\nrank: 5\n", "x.yaml:2: not valid YAML"},
		{"a list of settings", "- rank\n", "no settings"},
		{"brackets in brackets", "data: [\n" + strings.Repeat("[", 20000), "x.yaml:2: nested too deep"},
		{"marks after marks", strings.Repeat("- ", 20000), "x.yaml:1: nested too deep"},
		{"deeper and deeper", "a:\n" + strings.Repeat(" ", 100) + "b: 1", "x.yaml:2: nested too deep"},
		{"another file", "config: y.yaml", "cannot name another"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := DefaultConfig()
			err := ParseSettings("x.yaml", []byte(k.text), &c)
			require.ErrorContains(t, err, k.want)
			require.ErrorIs(t, err, peft.ErrInput)
			require.Equal(t, DefaultConfig(), c)
		})
	}
}

func TestYAML(t *testing.T) {
	c := valid()
	c.Data = []string{"a, b.jsonl", "ü: #\n\"'.txt"}
	c.Model, c.Fields = "yes", []string{"text=story"}
	c.LR, c.Ctx, c.Packing, c.Split = Given(1.0/3), Given(512), Given(1), Given(10.0/300)
	c.Seed = 1<<64 - 1
	text, err := c.YAML()
	require.NoError(t, err)
	got := DefaultConfig()
	require.NoError(t, ParseSettings("x.yaml", text, &got), string(text))
	require.Equal(t, c, got)
	require.NotContains(t, string(text), "overwrite")
}

func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"rank: 4", "data: [a, {b: c}]", "a: &x [*x]", "? [a]\n: b", "--- a\n---\nrank: 1", "rank: !!int 3", "<<: 1", "\t", "rank: |\n 3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := DefaultConfig()
		if err := ParseSettings("x.yaml", []byte(text), &c); err != nil {
			require.ErrorIs(t, err, peft.ErrInput)
		}
		_ = c.Validate()
	})
}

func TestLoadSettings(t *testing.T) {
	c := DefaultConfig()
	require.ErrorContains(t, LoadSettings("no/such.yaml", &c), "no/such.yaml: no such file")
	require.ErrorContains(t, LoadSettings(t.TempDir(), &c), "is a directory")
	large := filepath.Join(t.TempDir(), "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, mostSettings+1), 0o600))
	require.ErrorContains(t, LoadSettings(large, &c), "larger than 64 kB")
	path := filepath.Join(t.TempDir(), "a.yaml")
	require.NoError(t, os.WriteFile(path, []byte("rank: 3"), 0o600))
	require.NoError(t, LoadSettings(path, &c))
	require.Equal(t, 3, c.Rank)
}
