package llama

import (
	"fmt"

	"github.com/graft-go/graft/ggml"
)

// Cache holds the keys and values of the tokens so far, one F32 matrix [head·kvHeads, context] for each block.
type Cache struct {
	store *ggml.Store
	k, v  []*ggml.Tensor
	Len   int64 // keys that the graph in the making reads: 0 … Len−1
}

// NewCache makes a cache for context tokens of the model.
func NewCache(be *ggml.Backend, m *Model, context int64) (*Cache, error) {
	s, err := ggml.NewStore(be, int(2*m.Blocks))
	if err != nil {
		return nil, err
	}
	c := &Cache{store: s}
	for l := range m.Blocks {
		c.k = append(c.k, s.New(fmt.Sprintf("cache_k.%d", l), ggml.TypeF32, m.HeadDim*m.KVHeads, context))
		c.v = append(c.v, s.New(fmt.Sprintf("cache_v.%d", l), ggml.TypeF32, m.HeadDim*m.KVHeads, context))
	}
	if err := s.Alloc(); err != nil {
		s.Close()
		return nil, fmt.Errorf("cache for %d tokens: %w", context, err)
	}
	return c, nil
}

// extend writes the new keys and values at their positions and returns the first Len of the cache.
func (c *Cache) extend(g *ggml.Graph, l int, k, v *ggml.Tensor, in *Inputs) (keys, values *ggml.Tensor) {
	width := c.k[l].Ne[0]
	k = g.SetRows(c.k[l], g.Reshape(k, width, in.T), in.Pos)
	v = g.SetRows(c.v[l], g.Reshape(v, width, in.T), in.Pos)
	return g.Columns(k, 0, c.Len), g.Columns(v, 0, c.Len)
}

// Close frees the cache. It may be called twice.
func (c *Cache) Close() { c.store.Close() }
