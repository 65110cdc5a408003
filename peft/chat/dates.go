package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// strftime is Python's strftime in the C locale. A minus after the percent sign leaves out leading zeros.
func strftime(format string, t time.Time) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'I': "03", 'p': "PM",
		'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04",
		'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'e': "_2",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		short := format[i] == '-' && i+1 < len(format)
		if short {
			i++
		}
		text := ""
		switch c := format[i]; c {
		case '%':
			text = "%"
		case 'n', 't':
			text = map[byte]string{'n': "\n", 't': "\t"}[c]
		case 'j':
			text = fmt.Sprintf("%03d", t.YearDay())
		case 'u':
			text = fmt.Sprint((int(t.Weekday())+6)%7 + 1)
		case 'w':
			text = fmt.Sprint(int(t.Weekday()))
		case 'f':
			text = fmt.Sprintf("%06d", t.Nanosecond()/1000)
		case 'Z', 'z': // a run's time has no zone, as datetime.now() has none
		default:
			layout, ok := layouts[c]
			if !ok {
				text = "%" + string(c)
				break
			}
			text = t.Format(layout)
		}
		if short && len(text) > 1 {
			text = strings.TrimLeft(text[:len(text)-1], "0 ") + text[len(text)-1:]
		}
		b.WriteString(text)
	}
	return b.String()
}
