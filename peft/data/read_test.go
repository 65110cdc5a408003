package data

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft"
)

// byteTokenizer gives every byte the id byte+3; 1 is BOS, spelled <s>, and 2 is EOS.
type byteTokenizer struct{ addBOS, addEOS, noEOS bool }

func (t byteTokenizer) Tokenize(text string, _, parseSpecial bool) ([]int32, error) {
	var out []int32
	for len(text) > 0 {
		if parseSpecial && strings.HasPrefix(text, "<s>") {
			out, text = append(out, 1), text[3:]
			continue
		}
		if parseSpecial && strings.HasPrefix(text, "</s>") {
			out, text = append(out, 2), text[4:]
			continue
		}
		out, text = append(out, int32(text[0])+3), text[1:]
	}
	return out, nil
}
func (t byteTokenizer) N() int              { return 259 }
func (t byteTokenizer) BOS() (int32, bool)  { return 1, true }
func (t byteTokenizer) EOS() (int32, bool)  { return 2, !t.noEOS }
func (t byteTokenizer) AddBOS() bool        { return t.addBOS }
func (t byteTokenizer) AddEOS() bool        { return t.addEOS }
func (t byteTokenizer) IsEOG(id int32) bool { return id == 2 }
func (t byteTokenizer) Text(id int32) string {
	if id < 3 {
		return []string{"<unk>", "<s>", "</s>"}[id]
	}
	return string([]byte{byte(id - 3)})
}
func (t byteTokenizer) Piece(id int32) []byte {
	if id < 3 {
		return nil
	}
	return []byte{byte(id - 3)}
}

// write puts content into a file of a new folder.
func write(t testing.TB, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

func ids(text string) []int32 {
	out, _ := byteTokenizer{}.Tokenize(text, false, true)
	return out
}

func TestReadRows(t *testing.T) {
	bos := byteTokenizer{addBOS: true}
	for _, c := range []struct {
		name, file, content string
		tok                 byteTokenizer
		o                   Options
		want                [][]int32
		lines               []int
	}{
		{"text", "a.jsonl", `{"text":"ab"}` + "\n" + `{"text":"cd"}`, bos, Options{}, [][]int32{{1, 100, 101}, {1, 102, 103}}, []int{1, 2}},
		{"no BOS", "a.jsonl", `{"text":"ab"}`, byteTokenizer{}, Options{}, [][]int32{{100, 101}}, []int{1}},
		{"BOS is not doubled", "a.jsonl", `{"text":"<s>ab"}`, bos, Options{}, [][]int32{{1, 100, 101}}, []int{1}},
		{"EOS by the tokenizer", "a.jsonl", `{"text":"ab"}`, byteTokenizer{addEOS: true}, Options{}, [][]int32{{100, 101, 2}}, []int{1}},
		{"EOS by the flag", "a.jsonl", `{"text":"ab"}`, bos, Options{AppendEOS: true}, [][]int32{{1, 100, 101, 2}}, []int{1}},
		{"byte order mark, CRLF, blank lines", "a.jsonl", "\xef\xbb\xbf\r\n{\"text\":\"ab\"}\r\n\r\n  \t\r\n{\"text\":\"cd\"}\r\n", byteTokenizer{}, Options{},
			[][]int32{{100, 101}, {102, 103}}, []int{2, 5}},
		{"other fields, the last of a doubled key", "a.jsonl", `{"id":7,"text":"xx","meta":{"a":[1]},"text":"ab"}`, byteTokenizer{}, Options{}, [][]int32{{100, 101}}, []int{1}},
		{"keys are told apart by case", "a.jsonl", `{"text":"ab","TEXT":5}`, byteTokenizer{}, Options{}, [][]int32{{100, 101}}, []int{1}},
		{"pre-tokenized", "a.jsonl", `{"input_ids":[5, 6 ,7]}`, bos, Options{}, [][]int32{{5, 6, 7}}, []int{1}},
		{"no extension", "data", `{"text":"ab"}`, byteTokenizer{}, Options{}, [][]int32{{100, 101}}, []int{1}},
		{"cut", "a.jsonl", `{"text":"abcdef"}`, bos, Options{Ctx: 4}, [][]int32{{1, 100, 101, 102}}, []int{1}},
		{"max rows", "a.jsonl", `{"text":"ab"}` + "\n" + `{"text":"cd"}` + "\nnonsense", byteTokenizer{}, Options{MaxRows: 1}, [][]int32{{100, 101}}, []int{1}},
		{"renamed field", "a.jsonl", `{"story":"ab"}`, byteTokenizer{}, Options{Fields: map[string]string{"text": "story"}}, [][]int32{{100, 101}}, []int{1}},
		{"a given format needs no other field", "a.json", `{"text":"ab","label":"x"}`, byteTokenizer{}, Options{Format: FormatText}, [][]int32{{100, 101}}, nil},
		{"skip bad", "a.jsonl", "{\n" + `{"text":"ab"}` + "\n" + `{"text":null}`, byteTokenizer{}, Options{SkipBad: true}, [][]int32{{100, 101}}, []int{2}},
		{"rows without a target", "a.jsonl", `{"text":""}` + "\n" + `{"text":"a"}` + "\n" + `{"text":"ab"}`, byteTokenizer{}, Options{}, [][]int32{{100, 101}}, []int{3}},
		{"a pair of surrogates", "a.jsonl", `{"text":"\ud83d\ude00"}`, byteTokenizer{}, Options{}, [][]int32{ids("😀")}, []int{1}},
		{"an escaped backslash before u", "a.jsonl", `{"text":"\\ud83d"}`, byteTokenizer{}, Options{}, [][]int32{ids(`\ud83d`)}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.Ctx == 0 {
				c.o.Ctx = 100
			}
			s, err := Read([]string{write(t, c.file, c.content)}, c.tok, c.o)
			require.NoError(t, err)
			var got [][]int32
			for i, r := range s.Rows {
				got = append(got, r.Tokens)
				require.Len(t, r.Labels, len(r.Tokens))
				if c.lines != nil {
					require.Equal(t, c.lines[i], r.Line)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestReadFaults(t *testing.T) {
	long := strings.Repeat("x", 5000)
	ok := `{"text":"ab"}` + "\n"
	for _, c := range []struct {
		name, file, content string
		line                int // 0: the file alone is to blame
		reason              string
	}{
		{"invalid JSON", "a.jsonl", ok + "{\"text\": \"a\n", 2, "not valid JSON"},
		{"physical lines", "a.jsonl", "\n\r\n" + ok + "\n[1]\n", 5, "a JSON array"},
		{"a string", "a.jsonl", ok + `"text"`, 2, "a JSON string"},
		{"null", "a.jsonl", ok + "null", 2, "a JSON null"},
		{"two objects on a line", "a.jsonl", ok + `{"text":"a"} {"text":"b"}`, 2, "not valid JSON"},
		{"text is null", "a.jsonl", ok + `{"text":null}`, 2, `"text" is null`},
		{"text is a number", "a.jsonl", ok + `{"text":5}`, 2, "a number, not a string"},
		{"invalid UTF-8", "a.jsonl", ok + "{\"text\":\"\xff\"}", 2, "not valid UTF-8 at column 10"},
		{"a NUL byte", "a.jsonl", ok + "{\"text\":\"\x00\"}", 2, "a NUL byte"},
		{"a NUL escape", "a.jsonl", ok + `{"text":"a\u0000b"}`, 2, "a NUL character"},
		{"half a surrogate pair", "a.jsonl", ok + `{"text":"\ud83d!"}`, 2, "surrogate"},
		{"the lower half of a pair", "a.jsonl", ok + `{"text":"\ude00"}`, 2, "surrogate"},
		{"another format", "a.jsonl", ok + `{"input_ids":[1,2]}`, 2, "format input_ids, but the first row of the file has the format text"},
		{"a label beside the text", "a.jsonl", ok + `{"text":"a","label":"b"}`, 2, "format text/label"},
		{"unknown fields later", "a.jsonl", ok + `{"txt":"a"}`, 2, `"txt"`},
		{"unknown fields", "a.jsonl", `{"question":"a","answer":"b"}`, 1, `"answer", "question"`},
		{"no fields", "a.jsonl", `{}`, 1, "no field"},
		{"messages", "a.jsonl", `{"messages":[]}`, 1, `"messages" is empty`},
		{"conversations", "a.jsonl", `{"conversations":[]}`, 1, `"conversations" is empty`},
		{"Alpaca", "a.jsonl", `{"instruction":"a","input":"","output":"b"}`, 1, "needs a chat template"},
		{"prompt and completion", "a.jsonl", `{"prompt":"a","completion":"b"}`, 1, "needs a chat template"},
		{"classification", "a.jsonl", `{"text":"a","label":"b"}`, 1, "not read yet"},
		{"unequal lengths", "a.jsonl", `{"input_ids":[1,2],"labels":[1]}`, 1, "2 input_ids but 1 labels"},
		{"an id too large", "a.jsonl", `{"input_ids":[1,259]}`, 1, "input_ids[1] is 259, outside the model's vocabulary 0…258"},
		{"an id below 0", "a.jsonl", `{"input_ids":[1,-1]}`, 1, "input_ids[1] is -1"},
		{"an id beyond 32 bits", "a.jsonl", `{"input_ids":[1,99999999999]}`, 1, "which no vocabulary holds"},
		{"a fraction", "a.jsonl", `{"input_ids":[1,2.0]}`, 1, "is 2.0, not an integer"},
		{"an exponent", "a.jsonl", `{"input_ids":[1,1e2]}`, 1, "not an integer"},
		{"a string in the list", "a.jsonl", `{"input_ids":[1,"2,3]"]}`, 1, "a string, not an integer"},
		{"a list in the list", "a.jsonl", `{"input_ids":[[1,2]]}`, 1, "input_ids\"[0] is a list"},
		{"null in the list", "a.jsonl", `{"input_ids":[1,null]}`, 1, "null, not an integer"},
		{"ids are a string", "a.jsonl", `{"input_ids":"1 2"}`, 1, "a string, not a list"},
		{"labels are null", "a.jsonl", `{"input_ids":[1,2],"labels":null}`, 1, `"labels" is null`},
		{"a label of -1", "a.jsonl", `{"input_ids":[1,2],"labels":[1,-1]}`, 1, "labels[1] is -1, neither -100 nor"},
		{"no target at all", "a.jsonl", `{"input_ids":[1,2],"labels":[1,-100]}`, 0, "no row has a token to learn"},
		{"empty", "a.jsonl", "", 0, "holds no rows"},
		{"blank", "a.jsonl", "\n\n \n", 0, "holds no rows"},
		{"a JSON list", "a.json", "[{\"text\":\"a\"}]", 0, "one JSON list"},
		{"CSV", "a.csv", "text,label\n", 0, "a CSV file is not read yet"},
		{"TSV", "a.tsv", "text\tlabel\n", 0, "a TSV file is not read yet"},
		{"Parquet", "a.parquet", "PAR1", 0, "a Parquet file is not read yet"},
		{"gzip by content", "a.jsonl", "\x1f\x8b\x08\x00", 0, "a .gz file is not read yet"},
		{"a model", "a.bin", "GGUF\x03", 0, "is a GGUF model"},
		{"UTF-16", "a.jsonl", "\xff\xfe{\x00", 0, "UTF-16"},
		{"unknown", "a.md", "# A title\n", 0, "--format txt"},
		{"empty text", "a.txt", "", 0, "holds no text"},
		{"text that is no UTF-8", "a.txt", "a\nb\xff\n", 2, "not valid UTF-8 at column 2"},
		{"text with NUL", "a.txt", "a\n\nb\x00\n", 3, "a NUL byte"},
		{"a long name of a field", "a.jsonl", `{"` + long + `":1}`, 1, "…"},
		{"a long number", "a.jsonl", `{"input_ids":[` + strings.Repeat("9", 5000) + `]}`, 1, "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.file, c.content)
			_, err := Read([]string{path}, byteTokenizer{}, Options{Ctx: 64})
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, path, e.File)
			require.Equal(t, c.line, e.Line)
			require.Contains(t, e.Error(), c.reason)
			require.Less(t, len(e.Error()), 1400)
			require.True(t, errors.Is(err, peft.ErrInput))
		})
	}
}

func TestReadFiles(t *testing.T) {
	text := write(t, "a.jsonl", `{"text":"abc"}`)
	pre := write(t, "b.jsonl", `{"input_ids":[1,2]}`)
	t.Run("formats of several files", func(t *testing.T) {
		s, err := Read([]string{text, pre}, byteTokenizer{}, Options{Ctx: 8})
		require.NoError(t, err)
		require.Equal(t, "text+input_ids", s.Format)
		require.Equal(t, 3, s.LongestRow)
	})
	t.Run("pre-tokenized rows need no tokenizer", func(t *testing.T) {
		s, err := Read([]string{pre}, nil, Options{Ctx: 8, NVocab: 3})
		require.NoError(t, err)
		require.Len(t, s.Rows, 1)
	})
	t.Run("missing", func(t *testing.T) {
		_, err := Read([]string{"no/such.jsonl"}, byteTokenizer{}, Options{})
		require.EqualError(t, err, "no/such.jsonl: no such file; check the path")
	})
	t.Run("share of a mix", func(t *testing.T) {
		_, err := Read([]string{text + "=0.3"}, byteTokenizer{}, Options{})
		require.ErrorContains(t, err, "shares of a mix")
	})
	t.Run("a folder", func(t *testing.T) {
		_, err := Read([]string{t.TempDir()}, byteTokenizer{}, Options{})
		require.ErrorContains(t, err, "is a folder")
	})
	t.Run("no EOS to append", func(t *testing.T) {
		_, err := Read([]string{text}, byteTokenizer{noEOS: true}, Options{AppendEOS: true, SkipBad: true})
		require.ErrorContains(t, err, "no EOS token")
	})
	t.Run("a cancelled reading", func(t *testing.T) {
		stop := errors.New("stop")
		_, err := Read([]string{text}, byteTokenizer{}, Options{Check: func() error { return stop }})
		require.ErrorIs(t, err, stop)
	})
	t.Run("only bad rows", func(t *testing.T) {
		bad := write(t, "c.jsonl", "{\n{\n")
		_, err := Read([]string{bad}, byteTokenizer{}, Options{SkipBad: true})
		require.ErrorContains(t, err, bad+":1: not valid JSON")
	})
	t.Run("a line longer than any buffer", func(t *testing.T) {
		big := write(t, "d.jsonl", `{"text":"`+strings.Repeat("a", 3<<20)+`"}`+"\n"+`{"text":"ab"}`)
		s, err := Read([]string{big}, byteTokenizer{}, Options{Ctx: 16})
		require.NoError(t, err)
		require.Equal(t, 3<<20, s.LongestRow)
		require.Equal(t, 1, s.RowsCut)
		require.Len(t, s.Rows[0].Tokens, 16)
	})
}

func TestPlainText(t *testing.T) {
	path := write(t, "a.txt", "\xef\xbb\xbfab\r\ncdefg\n")
	t.Run("pieces begin with BOS", func(t *testing.T) {
		s, err := Read([]string{path}, byteTokenizer{addBOS: true}, Options{Ctx: 4})
		require.NoError(t, err)
		require.Equal(t, [][]int32{append([]int32{1}, ids("ab\n")...), append([]int32{1}, ids("cde")...), append([]int32{1}, ids("fg\n")...)}, tokens(s))
		require.True(t, s.HasText)
	})
	t.Run("without BOS the last piece may be left out", func(t *testing.T) {
		s, err := Read([]string{path}, byteTokenizer{}, Options{Ctx: 4})
		require.NoError(t, err)
		require.Equal(t, [][]int32{ids("ab\nc"), ids("defg")}, tokens(s))
		require.Equal(t, 1, s.RowsWithoutLabel)
		require.Equal(t, 3, s.RowsRead)
	})
	t.Run("cut again", func(t *testing.T) {
		s, err := Read([]string{path}, byteTokenizer{addBOS: true}, Options{})
		require.NoError(t, err)
		require.NoError(t, s.Cut(4))
		require.NoError(t, s.Cut(100))
		require.Equal(t, [][]int32{append([]int32{1}, ids("ab\ncdefg\n")...)}, tokens(s))
		require.Equal(t, 1, s.RowsRead)
		require.ErrorContains(t, s.Cut(1), "--ctx")
	})
}

func tokens(s *Set) (out [][]int32) {
	for _, r := range s.Rows {
		out = append(out, r.Tokens)
	}
	return out
}

func TestSplit(t *testing.T) {
	s := rowsOf(100, 5)
	train, valid, err := s.Split(AutoSplit(100), 42)
	require.NoError(t, err)
	require.Len(t, valid.Rows, 10)
	require.Len(t, train.Rows, 90)
	again, _, err := s.Split(10, 42)
	require.NoError(t, err)
	require.Equal(t, train.Rows, again.Rows)
	other, _, err := s.Split(10, 43)
	require.NoError(t, err)
	require.NotEqual(t, train.Rows, other.Rows)
	lines := map[int]bool{}
	for _, part := range [][]Row{train.Rows, valid.Rows} {
		last := 0
		for _, r := range part {
			require.Greater(t, r.Line, last, "both parts keep the order of the file")
			require.False(t, lines[r.Line])
			last, lines[r.Line] = r.Line, true
		}
	}
	for _, n := range []int{0, 100, 101} {
		_, _, err := s.Split(n, 1)
		require.ErrorContains(t, err, "--valid-split")
	}
}

func TestAutoSplit(t *testing.T) {
	for rows, want := range map[int]int{0: 0, 99: 0, 100: 10, 200: 10, 300: 15, 3999: 200, 1000000: 200} {
		require.Equal(t, want, AutoSplit(rows), "%d rows", rows)
	}
}

// FuzzJSONL: no input panics, and what is accepted obeys the rules that the graph relies on.
func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		`{"text":"ab"}`, "\xef\xbb\xbf{\"text\":\"a\"}\r\n\r\n{\"text\":\"b\"}", `{"input_ids":[1,2],"labels":[-100,2]}`,
		`{"input_ids":[1,2.5]}`, `{"input_ids":[[]]}`, `{"input_ids":[ ]}`, `{"text":"\ud83d\ude00\\u"}`, `{"text":null}`, "null", "[", `{"messages":[]}`,
		`{"input_ids":[1,"]"],"labels":{}}`, `{"text":"\u0000"}`, "{\"\":\"\xff\"}",
	} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, content string, skip bool) {
		path := filepath.Join(t.TempDir(), "a.jsonl")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		s, err := Read([]string{path}, byteTokenizer{addBOS: true}, Options{Ctx: 16, SkipBad: skip})
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Less(t, len(e.Error()), 1400)
			require.LessOrEqual(t, e.Line, strings.Count(content, "\n")+1)
			return
		}
		require.NotEmpty(t, s.Rows)
		for _, r := range s.Rows {
			require.LessOrEqual(t, len(r.Tokens), 16)
			require.Len(t, r.Labels, len(r.Tokens))
			require.Positive(t, r.LabelTokens())
			for i := range r.Tokens {
				require.True(t, r.Tokens[i] >= 0 && r.Tokens[i] < 259)
				require.True(t, r.Labels[i] == NoLabel || r.Labels[i] >= 0 && r.Labels[i] < 259)
			}
		}
	})
}
