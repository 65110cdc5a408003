package demo

import (
	"context"
	"fmt"

	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/peft/train"
)

// Answer is what a model says to a sentence of the task.
type Answer struct {
	Row
	Got string

	prompt, tokens []int32
}

// Right tells whether the answer is the command, letter by letter.
func (a *Answer) Right() bool { return a.Got == a.Completion }

// Right counts the right answers.
func Right(answers []Answer) int {
	n := 0
	for i := range answers {
		if answers[i].Right() {
			n++
		}
	}
	return n
}

// mostTokens is the longest answer that is waited for; the longest command has half of it.
const mostTokens = 80

// Ask gives the model each row's sentence, written by its chat template, and takes its most likely answer, token by token until it ends.
func Ask(ctx context.Context, s *train.Session, rows []Row) ([]Answer, error) {
	answers := make([]Answer, len(rows))
	for i, row := range rows {
		a := &answers[i]
		a.Row = row
		var err error
		if a.prompt, _, err = s.ChatPrompt("", "", row.Prompt); err != nil {
			return nil, err
		}
		err = s.Generate(ctx, a.prompt, train.GenerateOptions{N: mostTokens, TopP: 1}, func(id int32) bool {
			a.tokens = append(a.tokens, id)
			return true
		})
		if err != nil {
			return nil, err
		}
		a.Got = s.Vocab.Detokenize(a.tokens)
	}
	return answers, nil
}

// AskStock loads the model and the adapter with unmodified libllama, takes its most likely answer to each of the sentences, and returns
// how many are the same as graft's, token by token.
func AskStock(model, adapter string, answers []Answer, threads int) (same int, err error) {
	m, err := stock.Open(model, stock.Options{Threads: threads})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if err := m.SetAdapter(adapter, 1); err != nil {
		return 0, err
	}
	for i := range answers {
		a := &answers[i]
		got, err := m.Greedy(a.prompt, len(a.tokens))
		if err != nil {
			return 0, fmt.Errorf("answer of libllama: %w", err)
		}
		equal := true
		for k, id := range got {
			equal = equal && id == a.tokens[k]
		}
		if equal {
			same++
		}
	}
	return same, nil
}
