package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/graft-go/graft/peft/chat"
	"github.com/graft-go/graft/peft/train"
)

// runGenerate continues a prompt.
func runGenerate(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("generate", "generate -m BASE.gguf [--adapter RUN|ADAPTER]… -p PROMPT [flags]",
		"Continues a prompt. The continuation alone goes to stdout, as it is made.")
	open := bindSession(f)
	prompt := f.StringP("prompt", "p", "", "text to continue")
	var o train.GenerateOptions
	f.IntVarP(&o.N, "n", "n", 128, "tokens at most")
	f.Float64Var(&o.Temp, "temp", 0.8, "temperature; 0 = always the most likely token")
	f.IntVar(&o.TopK, "top-k", 40, "draw from this many most likely tokens; 0 = all")
	f.Float64Var(&o.TopP, "top-p", 0.95, "draw from the most likely tokens that reach this probability")
	f.Uint64Var(&o.Seed, "seed", 42, "seed of the draws")
	asChat := f.Bool("chat", false, "the prompt is a user's turn, written by the chat template of the run or the model")
	system := f.String("system", "", "system message before it; needs --chat")
	template := f.String("chat-template", "", "another chat template: a name or a file; needs --chat")
	f.alias("lora", "adapter")
	f.alias("n-predict", "n")
	f.alias("temperature", "temp")
	f.rare("threads", "chat-template")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	if *prompt == "" {
		return &usageError{where: "generate: --prompt", why: "no prompt given", do: `give some text: -p "Once upon a time"`}
	}
	if !*asChat && (*system != "" || *template != "") {
		return &usageError{where: "generate: --system, --chat-template", why: "they write a conversation, and --chat is not given", do: "add --chat"}
	}
	if err := o.Validate(); err != nil {
		return err
	}
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	if s.Vocab == nil {
		return &usageError{where: "generate: " + s.Model.File.Path, why: "the model has no tokenizer", do: "give a model with one"}
	}
	var tokens []int32
	if *asChat {
		choice, err := (*chat.Choice)(nil), error(nil)
		if tokens, choice, err = s.ChatPrompt(*template, *system, *prompt); err != nil {
			return err
		}
		if choice.Note != "" {
			fmt.Fprintln(stderr, choice.Note)
		}
	} else if tokens, err = s.Vocab.Tokenize(*prompt, true, true); err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	stream := s.Vocab.NewStream()
	var failed error
	err = s.Generate(ctx, tokens, o, func(id int32) bool {
		_, failed = out.Write(stream.Next(id))
		if failed == nil {
			failed = out.Flush()
		}
		return failed == nil
	})
	out.Write(stream.Flush())
	if isTerminal(stdout) {
		fmt.Fprintln(out) // elsewhere the continuation stands alone, byte for byte
	}
	if err == nil {
		err = failed
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}
