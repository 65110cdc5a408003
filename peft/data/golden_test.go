package data

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft/chat"
)

// The folder of what scripts/golden/chat_tokens.py makes.
const goldenChats = "testdata/chat"

// goldenTemplate opens a template and its vocabulary, or skips the test where there is no native library.
func goldenTemplate(t testing.TB, name, vocabulary string) (*chat.Choice, *vocab.Vocab) {
	t.Helper()
	f, err := gguf.Open(filepath.Join(goldenChats, vocabulary+".gguf"))
	require.NoError(t, err)
	defer f.Close()
	v, err := vocab.Open(f)
	if missing := (*binding.NotFoundError)(nil); errors.As(err, &missing) {
		t.Skip("no native library: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	c, err := chat.Choose(filepath.Join(goldenChats, name+".jinja"), chat.Model{Vocabulary: v,
		Settings: chat.Settings{BOS: "<s>", EOS: "</s>", Date: time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC)}})
	require.NoError(t, err)
	return c, v
}

// Ids and masks of conversations equal those of transformers.
func TestGoldenConversations(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(goldenChats, "own.json"))
	require.NoError(t, err)
	var cases []struct {
		Template, Vocabulary, Name string
		Messages, Tools            json.RawMessage
		IDs                        []int32
		Mask                       string
	}
	require.NoError(t, json.Unmarshal(text, &cases))
	require.Greater(t, len(cases), 40)
	for _, c := range cases {
		t.Run(c.Template+"/"+c.Name, func(t *testing.T) {
			choice, v := goldenTemplate(t, c.Template, c.Vocabulary)
			turns, err := chat.ParseMessages(c.Messages, c.Tools)
			require.NoError(t, err)
			e, err := choice.Encode(turns, choice.Settings, v)
			if c.IDs == nil {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.False(t, e.Last)
			require.Equal(t, c.IDs, e.Tokens)
			require.Equal(t, c.Mask, maskText(e.Trained))
		})
	}
}

func maskText(mask []bool) string {
	var b strings.Builder
	for _, on := range mask {
		b.WriteByte("01"[map[bool]int{true: 1}[on]])
	}
	return b.String()
}

// hashed is how rows.txt gives numbers: the first 16 hex digits of the SHA-256 of little-endian int32.
func hashed(numbers []int32) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Ids and masks of 200 rows of each of two data sets, by four templates, have the hashes of transformers' ones.
func TestGoldenRows(t *testing.T) {
	shared := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(filepath.Join(shared, "sharegpt")); err != nil {
		t.Skip("no shared/data beside the module")
	}
	want := map[string]map[int]string{} // template and file → line → the rest
	f, err := os.Open(filepath.Join(goldenChats, "rows.txt"))
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var template, file string
		var line int
		_, err := fmt.Sscan(lines.Text(), &template, &file, &line)
		require.NoError(t, err)
		key := template + " " + file
		if want[key] == nil {
			want[key] = map[int]string{}
		}
		want[key][line] = strings.TrimPrefix(lines.Text(), fmt.Sprintf("%s %d ", key, line))
	}
	require.Len(t, want, 8)
	for key, rows := range want {
		template, file, _ := strings.Cut(key, " ")
		t.Run(key, func(t *testing.T) {
			require.Len(t, rows, 200)
			choice, v := goldenTemplate(t, template, map[string]string{"llama2": "spm", "mistral": "spm"}[template]+map[string]string{"llama3": "bpe", "chatml": "bpe"}[template])
			path := firstLines(t, filepath.Join(shared, file), len(rows))
			s, err := Read([]string{path}, v, Options{SkipBad: true, Chat: func() (*chat.Choice, error) { return choice, nil }})
			require.NoError(t, err)
			got := map[int]string{}
			for _, row := range s.whole {
				mask, trained := make([]int32, len(row.Labels)), 0
				for i, label := range row.Labels {
					if label != NoLabel {
						mask[i] = 1
						trained++
					}
				}
				got[row.Line] = fmt.Sprintf("%d %d %s %s", len(row.Tokens), trained, hashed(row.Tokens), hashed(mask))
			}
			fails := 0
			for line, rest := range rows {
				if rest == "fail" {
					fails++
					require.NotContains(t, got, line)
					continue
				}
				require.Equal(t, rest, got[line], "line %d", line)
			}
			require.Equal(t, fails, s.RowsBad)
			require.Empty(t, s.Warnings)
		})
	}
}

// firstLines copies the first n lines of a file.
func firstLines(t testing.TB, path string, n int) string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	return write(t, "rows.jsonl", strings.Join(lines[:n], ""))
}
