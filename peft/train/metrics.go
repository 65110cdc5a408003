package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
)

// MetricsWriter appends lines to metrics.jsonl. Each line goes to the file in one write, so that a run that is killed
// leaves whole lines; numbers are printed so that they read back as the same float64, and what is no number (an
// overflowed perplexity) is null. Once its buffer is warm nothing is allocated.
type MetricsWriter struct {
	w    *os.File
	size int64 // of the file
	buf  []byte
}

// NewMetricsWriter opens path for appending, and creates it where it is missing.
func NewMetricsWriter(path string) (*MetricsWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open metrics: %w", err)
	}
	return &MetricsWriter{w: f, size: info.Size()}, nil
}

// Step writes the line of an optimizer step.
func (m *MetricsWriter) Step(s Metrics) error {
	m.buf = append(m.buf[:0], '{')
	m.int("step", int64(s.Step))
	m.float("epoch", s.Epoch)
	m.float("loss", s.Loss)
	m.float("lr", s.LR)
	m.float("grad_norm", s.GradNorm)
	m.int("tokens", int64(s.Tokens))
	m.int("loss_tokens", int64(s.LossTokens))
	m.float("seconds", s.Seconds)
	m.float("tokens_per_second", s.TokensPerSecond)
	m.int("memory_bytes", s.MemoryBytes)
	return m.end()
}

// Eval writes the line of an evaluation.
func (m *MetricsWriter) Eval(e Eval) error {
	m.buf = append(m.buf[:0], '{')
	m.int("step", int64(e.Step))
	m.float("eval_loss", e.Loss)
	m.float("eval_perplexity", e.Perplexity)
	return m.end()
}

// Sync makes the lines so far last through a power cut.
func (m *MetricsWriter) Sync() error {
	if err := m.w.Sync(); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}

// Close closes the file.
func (m *MetricsWriter) Close() error { return m.w.Close() }

func (m *MetricsWriter) name(name string) {
	if len(m.buf) > 1 {
		m.buf = append(m.buf, ',')
	}
	m.buf = append(m.buf, '"')
	m.buf = append(m.buf, name...)
	m.buf = append(m.buf, '"', ':')
}

func (m *MetricsWriter) int(name string, v int64) {
	m.name(name)
	m.buf = strconv.AppendInt(m.buf, v, 10)
}

func (m *MetricsWriter) float(name string, v float64) {
	m.name(name)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		m.buf = append(m.buf, "null"...)
		return
	}
	m.buf = strconv.AppendFloat(m.buf, v, 'g', -1, 64)
}

// end writes the line, as a whole or not at all.
func (m *MetricsWriter) end() error {
	m.buf = append(m.buf, '}', '\n')
	if n, err := m.w.Write(m.buf); err != nil {
		if n > 0 {
			err = errors.Join(err, m.w.Truncate(m.size))
		}
		return fmt.Errorf("write metrics: %w", err)
	}
	m.size += int64(len(m.buf))
	return nil
}
