"""Two-block Llama models that are small enough to keep in the repository.

Grouped-query attention (4 heads, 2 of keys and values), head size 8. The weights are random, at a scale where every
gradient is far from zero: norms around 1, matrices N(0, 1.2 / sqrt(n_in)).
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

N_VOCAB = 288
CONTEXT = 128

# With rope base 500 and head size 8 the wavelengths are 6, 30, 141 and 664 positions. These factors leave the first as
# it is, blend the second and divide the others by 8, so that all three cases of Llama 3's formula occur.
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
PLAIN_ROPE = {"rope_type": "default", "rope_theta": 10000.0}


def build(seed: int, llama3: bool) -> LlamaForCausalLM:
    """A float32 model. llama3 means Llama 3's rope factors and tied embeddings, else plain rope and an own output."""
    config = LlamaConfig(
        vocab_size=N_VOCAB,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=1e-5,
        rope_parameters=dict(LLAMA3_ROPE if llama3 else PLAIN_ROPE),
        tie_word_embeddings=llama3,
        attn_implementation="eager",
        use_cache=False,
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.dim() == 1:
                weight.normal_(1.0, 0.2, generator=generator)
            elif "embed_tokens" in name:
                weight.normal_(0.0, 0.3, generator=generator)
            else:
                weight.normal_(0.0, 1.2 / weight.shape[1] ** 0.5, generator=generator)
    return model
