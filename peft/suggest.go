package peft

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Closest is the candidate with the fewest edits from got, where no more than a third of its letters differ (rounded up:
// two letters that changed places are two edits). Case does not count.
func Closest(got string, candidates []string) (string, bool) {
	best, distance := "", 0
	for _, c := range candidates {
		d := levenshtein.ComputeDistance(strings.ToLower(got), strings.ToLower(c))
		if best == "" || d < distance {
			best, distance = c, d
		}
	}
	return best, best != "" && distance <= (len([]rune(best))+2)/3
}

// DidYouMean asks for the closest candidate, or says otherwise where none is close.
func DidYouMean(got string, candidates []string, otherwise string) string {
	if best, ok := Closest(got, candidates); ok {
		return "did you mean " + best + "?"
	}
	return otherwise
}
