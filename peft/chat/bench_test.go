package chat

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkEncode: conversations of some answers, by the ChatML template, with a tokenizer that costs nothing.
func BenchmarkEncode(b *testing.B) {
	v := spelled{[]string{"</s>", "<s>", "<|im_start|>", "<|im_end|>"}}
	choice, err := Choose("chatml", Model{Vocabulary: v, Settings: Settings{EOS: "</s>"}})
	require.NoError(b, err)
	for _, answers := range []int{1, 4, 32} {
		c := NewConversation()
		for i := range answers {
			c.Messages = append(c.Messages, NewMessage(User, fmt.Sprint("question ", i)), NewMessage(Assistant, "an answer"))
		}
		b.Run(fmt.Sprint(answers), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := choice.Encode(c, choice.Settings, v)
				require.NoError(b, err)
			}
		})
	}
}
