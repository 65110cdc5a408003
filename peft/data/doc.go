// Package data turns files into token batches with a loss mask.
//
// Read reads JSONL rows (conversations in the forms of OpenAI, ShareGPT and Alpaca, prompts with completions, `text`, or
// pre-tokenized `input_ids` with `labels`) and plain text into a Set of rows; Split
// takes a validation part off it by the seed; a Plan lays the rows of a Set into micro-batches of B sequences of T
// tokens, packed or not, in an order that depends on nothing but the seed and the step.
//
// Labels are aligned with the tokens as in Hugging Face data sets, and are shifted when a batch is filled: the target
// at position i is the label of token i+1 of the same row. So the first token of a row is never a target, and a row
// of one token teaches nothing.
package data

// NoLabel marks a token that is no target (Hugging Face's ignore_index).
const NoLabel int32 = -100

// Formats that Options.Format takes and Set.Formats reports.
const (
	FormatAuto          = "auto"
	FormatMessages      = "messages"          // OpenAI's: `messages` with role and content, perhaps `tools`
	FormatConversations = "conversations"     // ShareGPT's: `conversations` with from and value, perhaps `system`, `tools`
	FormatAlpaca        = "alpaca"            // `instruction`, perhaps `input`, `output`
	FormatPrompt        = "prompt_completion" // `prompt` and `completion`
	FormatText          = "text"              // a field `text`
	FormatInputIDs      = "input_ids"         // `input_ids` and perhaps `labels`
	FormatTxt           = "txt"               // plain text, cut into contiguous pieces
)

// Formats lists what Options.Format may be.
func Formats() []string {
	return []string{FormatAuto, FormatMessages, FormatConversations, FormatAlpaca, FormatPrompt, FormatText, FormatInputIDs, FormatTxt}
}

// CanonicalFormat takes other usual names of a format to the one that Formats lists.
func CanonicalFormat(name string) string {
	switch name {
	case "sharegpt":
		return FormatConversations
	case "openai":
		return FormatMessages
	case "instruction":
		return FormatAlpaca
	case "prompt", "prompt/completion":
		return FormatPrompt
	}
	return name
}

// FieldNames lists the fields of a row that Options.Fields may map to others.
func FieldNames() []string {
	return []string{"messages", "conversations", "instruction", "input", "output", "prompt", "completion", "system", "tools", "text", "input_ids", "labels"}
}

// Trainable names what graft can read, for error messages.
const Trainable = "rows with `messages`, `conversations`, `instruction` and `output`, `prompt` and `completion`, `text` or `input_ids`, one JSON object a line, or a plain .txt file"

// Tokenizer is what Read needs of a model's vocabulary.
type Tokenizer interface {
	// Tokenize returns the token ids of text. addSpecial adds BOS and EOS as the tokenizer is set up; parseSpecial
	// reads the spelling of a special token in the text as that token.
	Tokenize(text string, addSpecial, parseSpecial bool) ([]int32, error)
	N() int             // tokens in the vocabulary
	BOS() (int32, bool) // begin of sequence, if there is one
	EOS() (int32, bool) // end of sequence, if there is one
	AddBOS() bool       // whether a text begins with BOS
	AddEOS() bool       // whether a text ends with EOS
}

// Row is one example.
type Row struct {
	Tokens []int32
	Labels []int32 // as long as Tokens; NoLabel = no loss. May be the same slice as Tokens.
	File   string
	Line   int // physical line from 1; 0 for a piece of a plain text
}

// hasTarget tells whether any label of the row survives the shift.
func (r Row) hasTarget() bool {
	for i := 1; i < len(r.Labels); i++ {
		if r.Labels[i] != NoLabel {
			return true
		}
	}
	return false
}

// LabelTokens is the number of targets in the row.
func (r Row) LabelTokens() int {
	n := 0
	for i := 1; i < len(r.Labels); i++ {
		if r.Labels[i] != NoLabel {
			n++
		}
	}
	return n
}
