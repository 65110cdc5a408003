// Package demo is what `graft demo` works with, all of it made in this repository: a small Llama (embedded, see Model), the
// generator of the text that it was pretrained on (Text), the household task (Household), and the measure of both, exact match.
//
// The model has 2 blocks of width 256 and a vocabulary of 512. It reads and writes simple English and small JSON objects, but it
// has never seen the task's: commands for a home, such as
//
//	please turn the kitchen light down to 30 percent   →   {"device":"light","room":"kitchen","action":"dim","value":30}
//
// scripts/pretrain makes the model again.
package demo
