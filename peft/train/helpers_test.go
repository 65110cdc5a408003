package train

import "github.com/graft-go/graft/peft/data"

// dataRows are the options that read n rows.
func dataRows(n int) data.Options { return data.Options{Format: data.FormatAuto, MaxRows: n} }

func dataBatch() *data.Batch { return &data.Batch{} }
