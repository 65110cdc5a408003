package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// Command is the task's answer: what to do with which device in which room.
type Command struct {
	Device string `json:"device"`
	Room   string `json:"room"`
	Action string `json:"action"`
	Value  int    `json:"value,omitempty"` // percent, degrees or speed; 0 = none
}

// JSON is the command on one line.
func (c Command) JSON() string {
	text, err := json.Marshal(c)
	if err != nil {
		return err.Error() // a struct of strings and a number has no way to fail
	}
	return string(text)
}

// Row is a sentence and the command that it means, as a line of a prompt/completion data set.
type Row struct {
	Prompt     string `json:"prompt"`
	Completion string `json:"completion"`
}

// Rooms, and below what each device can do, are the closed lists of slot values.
func rooms() []string {
	return []string{"kitchen", "bedroom", "bathroom", "living room", "office", "hall", "garage", "attic"}
}

// deed is one action of a device: the values it takes (none where it takes no value) and the ways to ask for it, as an order or as a
// remark. In a phrase $x is the device with its room, $r the room alone and $v the value.
type deed struct {
	device, action string
	values         []string
	orders         []string
	remarks        []string
}

// deeds is the task.
func deeds() []deed {
	percent, degrees, speeds := numbers(10, 90, 10), numbers(16, 24, 1), numbers(1, 5, 1)
	on, off := []string{"(turn|switch) on $x", "(turn|switch) $x on"}, []string{"(turn|switch) off $x", "(turn|switch) $x off"}
	return []deed{
		{"light", "on", nil, join(on, []string{"make it bright in the $r"}), []string{"it is too dark in the $r", "i cannot see a thing in the $r"}},
		{"light", "off", nil, join(off, []string{"make it dark in the $r"}), []string{"nobody needs $x", "i want $x off"}},
		{"light", "dim", percent, []string{"dim $x to $v(%| percent)", "(turn|bring) $x down to $v(%| percent)", "lower $x to $v(%| percent)"},
			[]string{"i want only $v(%| percent) light in the $r"}},
		{"heater", "on", nil, join(on, []string{"warm up the $r"}), []string{"it is (too |so |)cold in the $r", "i am freezing in the $r"}},
		{"heater", "off", nil, join(off, []string{"stop heating the $r"}), []string{"it is (too |so |)warm in the $r"}},
		{"heater", "set", degrees, []string{"set $x to $v degrees", "(heat|warm) the $r to $v degrees"}, []string{"i want $v degrees in the $r"}},
		{"fan", "on", nil, join(on, []string{"get the air moving in the $r"}), []string{"i need some air in the $r", "the air in the $r is bad"}},
		{"fan", "off", nil, join(off, []string{"stop $x"}), []string{"there is too much wind in the $r"}},
		{"fan", "set", speeds, []string{"set $x to (speed |)$v", "run $x at speed $v", "(turn|switch) $x to speed $v"}, []string{"i want fan speed $v in the $r"}},
		{"blinds", "open", nil, []string{"open $x", "pull up $x", "raise $x", "let the sun into the $r"}, []string{"i want to see the sky from the $r"}},
		{"blinds", "close", nil, []string{"close $x", "pull down $x", "shut $x", "keep the sun out of the $r"}, []string{"there is too much sun in the $r"}},
		{"music", "play", nil, []string{"play $x", "start $x", "put some music on in the $r"}, []string{"i want to hear music in the $r"}},
		{"music", "stop", nil, []string{"stop $x", "end $x"}, []string{"i want it quiet in the $r", "nobody listens to $x"}},
		{"music", "set", percent, []string{"set $x to $v(%| percent)", "play $x at $v(%| percent)", "(turn|bring) $x (up|down) to $v(%| percent)"}, nil},
		{"door", "lock", nil, []string{"lock $x", "lock up the $r", "make sure that $x is locked"}, []string{"nobody may enter the $r"}},
		{"door", "unlock", nil, []string{"unlock $x", "let me into the $r", "undo the lock of $x"}, []string{"i cannot get into the $r"}},
	}
}

// How a device and its room are named, and what stands around an order and a remark.
const (
	withRoom = "the ($r $d|$d in the $r)"
	order    = "(|||please |please |could you please |hey, |hello, |kindly )$s(|||| please| now| thanks| for me| right now)"
	remark   = "(|||hey, |hello, |oh, |sorry, )$s(|||| now| today| again)"
)

// Household is the task's data: n training rows and held-out rows, drawn by the seed. No held-out sentence is among the training
// rows, whatever the case of its letters; and every second held-out row asks for a combination of device, room, action and value that no
// training row asks for.
func Household(n, heldOut int, seed uint64) (training, held []Row) {
	const stream = 0x686f7573 // "hous"
	g := newGrammar(rand.New(rand.NewPCG(seed, stream)), nil)
	seen := map[string]bool{}
	next := func(unseen bool) Row {
		for {
			c, row := g.command()
			if key := strings.ToLower(row.Prompt); !seen[key] && unseenCommand(c, seed) == unseen {
				seen[key] = true
				return row
			}
		}
	}
	for i := range heldOut {
		held = append(held, next(unseenRow(i)))
	}
	for range n {
		training = append(training, next(false))
	}
	return training, held
}

// unseenRow tells whether held-out row i asks for a combination that no training row asks for.
func unseenRow(i int) bool { return i%2 == 1 }

// unseenCommand tells whether a command is kept out of the training rows: one of eight, by the seed.
func unseenCommand(c Command, seed uint64) bool {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", seed, c.JSON())
	sum := h.Sum64()
	return (sum^sum>>32)%8 == 0
}

// command draws a command and a sentence that asks for it.
func (g *grammar) command() (Command, Row) {
	all := deeds()
	d := all[g.rng.IntN(len(all))]
	c := Command{Device: d.device, Action: d.action, Room: rooms()[g.rng.IntN(len(rooms()))]}
	set := map[string]string{"d": d.device, "r": c.Room}
	if len(d.values) > 0 {
		v := g.rng.IntN(len(d.values))
		set["v"] = d.values[v]
		fmt.Sscan(d.values[v], &c.Value)
	}
	set["x"] = g.write(withRoom, set)
	frame, i := order, g.rng.IntN(len(d.orders)+len(d.remarks))
	phrase := join(d.orders, d.remarks)[i]
	if i >= len(d.orders) {
		frame = remark
	}
	set["s"] = g.write(phrase, set)
	return c, Row{Prompt: g.write(frame, set), Completion: c.JSON()}
}

// JSONL writes rows one a line.
func JSONL(rows []Row) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, r := range rows {
		_ = e.Encode(r) // a buffer takes everything, and a row is two strings
	}
	return b.Bytes()
}
