package train

import (
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/optim"
)

// Config is everything that a training run can be told. Each field is one setting: its yaml tag is the name of the flag
// and of the key in the settings file alike, and the table made of these tags (Settings) is what the flags, the
// settings file, its writer and docs/settings.md are all built from, so that they cannot differ.
//
// Tags: short is the one-letter flag, alias other names that are accepted, auto what a value that is not given means,
// fold a value that may be written in capitals, basic marks the flags that --help shows, once a setting that is no part of a run's config.yaml, help its meaning.
type Config struct {
	Model  string   `yaml:"model" short:"m" basic:"true" help:"base model, a GGUF file (F32, F16, BF16 or quantized; split files by their first part)"`
	Data   []string `yaml:"data" short:"d" basic:"true" help:"training file: JSONL rows (messages, conversations, instruction/output, prompt/completion, text, input_ids), or plain .txt; repeatable"`
	Valid  string   `yaml:"valid" basic:"true" help:"validation file, of the same formats"`
	Split  Auto     `yaml:"valid-split" auto:"5 % of the rows, 10 to 200, where there are 100 rows or more, no --valid and no --steps" help:"fraction of the rows that becomes the validation set, drawn by the seed; 0 = none"`
	Out    string   `yaml:"out" short:"o" basic:"true" help:"run folder, which must not exist yet"`
	Force  bool     `yaml:"overwrite" basic:"true" once:"true" help:"replace an existing run folder, once everything else has been checked"`
	Resume bool     `yaml:"resume" basic:"true" once:"true" help:"go on with the run in --out from its newest checkpoint; a flag that contradicts the run is refused; of a run that is done only its result is printed"`
	File   string   `yaml:"config" once:"true" help:"settings file (YAML, keys are the names of the flags); flags win over it"`
	DryRun bool     `yaml:"dry-run" once:"true" help:"check and show everything, then stop before training"`

	Format    string   `yaml:"format" help:"format of the training files: auto, messages, conversations (ShareGPT), alpaca, prompt_completion, text, input_ids or txt"`
	Fields    []string `yaml:"field" help:"other name of a field, as text=story; repeatable"`
	MaxRows   int      `yaml:"max-rows" help:"rows to read over all training files; 0 = all"`
	SkipBad   bool     `yaml:"skip-bad" help:"count bad rows and go on, instead of stopping at the first"`
	AppendEOS bool     `yaml:"append-eos" help:"end every text row with the end-of-sequence token"`

	ChatTemplate string `yaml:"chat-template" help:"how conversations, prompts and completions are written: chatml, llama2, llama3, mistral, zephyr, alpaca, plain, none, or a file with a Jinja template; left out, the model's own, or plain where it has none"`
	ChatDate     string `yaml:"chat-date" help:"date that chat templates see, as 2026-01-31; left out, the day on which the run starts"`
	LossOn       string `yaml:"loss-on" help:"what of a conversation is learned: completion (the assistant's turns) or all"`

	Method  []string `yaml:"method" help:"how to fine-tune: lora, or full for every weight of the base"`
	Rank    int      `yaml:"rank" basic:"true" help:"rank of the LoRA matrices"`
	Alpha   Auto     `yaml:"alpha" auto:"2 × rank" basic:"true" help:"LoRA's scale is alpha/rank"`
	Targets []string `yaml:"targets" basic:"true" help:"matrices that get a LoRA: attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up, ffn_down or all-linear"`
	Layers  string   `yaml:"lora-layers" help:"blocks that get a LoRA: all, last:4 or 0-3,7"`
	Init    string   `yaml:"init-adapter" help:"adapter file to start from"`

	Ctx        Auto    `yaml:"ctx" alias:"ctx-size,max-seq-length" auto:"the longest row rounded up to 64, at most 2048 and the model's context; 512 for .txt" basic:"true" help:"tokens a sequence"`
	Batch      Auto    `yaml:"batch-size" auto:"as many of a step's 8 sequences as keep a micro-batch within 2048 tokens" basic:"true" help:"sequences a micro-batch"`
	Accum      Auto    `yaml:"grad-accum" auto:"what makes 8 sequences an optimizer step" help:"micro-batches an optimizer step"`
	Packing    Auto    `yaml:"packing" auto:"true where 200 optimizer steps or more remain with it" help:"put several rows into one sequence; they never see each other"`
	Shuffle    bool    `yaml:"shuffle" help:"shuffle the rows, anew for each epoch; false keeps the order of the files"`
	Epochs     float64 `yaml:"epochs" basic:"true" help:"passes over the data"`
	Steps      int     `yaml:"steps" alias:"max-steps,iters" basic:"true" help:"optimizer steps; wins over --epochs; 0 = off"`
	EvalEvery  Auto    `yaml:"eval-every" auto:"each epoch" help:"optimizer steps between evaluations"`
	EarlyStop  int     `yaml:"early-stop" help:"end the run after so many evaluations in a row without a better one; 0 = off"`
	SaveEvery  string  `yaml:"save-every" help:"time between checkpoints: optimizer steps, or a duration such as 30s, 10m or 1h; one is always written at the end and on an interruption; off = only those"`
	Keep       int     `yaml:"keep" help:"newest checkpoints that stay on disk; each also holds the best weights so far"`
	Optimizer  string  `yaml:"optimizer" help:"optimizer: adamw"`
	LR         Auto    `yaml:"lr" alias:"learning-rate" auto:"2e-4 for lora, 2e-5 for full" basic:"true" help:"highest learning rate"`
	BaseLR     Auto    `yaml:"base-lr" auto:"as lr where that is given, else 2e-5; unused by lora" help:"highest learning rate of weights of the base"`
	Schedule   string  `yaml:"schedule" help:"learning rate over the run: cosine, linear or constant"`
	Warmup     float64 `yaml:"warmup" help:"warm-up; below 1 a fraction of the steps, else steps"`
	Decay      float64 `yaml:"weight-decay" help:"decoupled weight decay of the matrices"`
	Beta1      float64 `yaml:"beta1" help:"AdamW: decay of the mean of the gradients"`
	Beta2      float64 `yaml:"beta2" help:"AdamW: decay of the mean of their squares"`
	Eps        float64 `yaml:"eps" help:"AdamW: added to the root of the mean of squares"`
	Clip       float64 `yaml:"clip" help:"L2 norm to which the gradient is clipped; 0 = off"`
	Seed       uint64  `yaml:"seed" help:"seed of everything that is drawn: adapter, order, split"`
	Device     string  `yaml:"device" fold:"true" help:"where to compute: auto or cpu"`
	NumThreads Auto    `yaml:"threads" auto:"physical cores" help:"threads of the processor"`
	MemoryMax  string  `yaml:"memory-limit" help:"memory the run may take in all, such as 8GB; auto: what is free"`
}

// DefaultConfig is what holds where nothing is given.
func DefaultConfig() Config {
	return Config{
		Format: data.FormatAuto, LossOn: LossOnCompletion,
		Method: []string{"lora"}, Rank: 8, Targets: []string{AllLinear}, Layers: "all",
		Shuffle: true, Epochs: 3, SaveEvery: "10m", Keep: 2,
		Optimizer: "adamw", Schedule: optim.Cosine, Warmup: 0.03,
		Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1,
		Seed: 42, Device: "auto", MemoryMax: "auto",
	}
}

// Auto is a number that is solved from the data, the model and the machine unless it is given. Of a switch 1 is true.
type Auto struct {
	Value float64
	Given bool
}

// Given is an Auto that is given.
func Given(v float64) Auto { return Auto{Value: v, Given: true} }

// Int is the value of a whole number.
func (a Auto) Int() int { return int(a.Value) }

// On is the value of a switch.
func (a Auto) On() bool { return a.Value != 0 }

// AlphaValue is alpha, by default 2 × rank.
func (c *Config) AlphaValue() float64 {
	if c.Alpha.Given {
		return c.Alpha.Value
	}
	return 2 * float64(c.Rank)
}

// AllLinear is the target that stands for every matrix of a block.
const AllLinear = "all-linear"

// Linears are the matrices of a block, by their GGUF names, in the order of a forward pass.
func Linears() []string {
	return []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}
}

// hfNames are Hugging Face's names of Linears, in the same order.
func hfNames() []string {
	return []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
}
