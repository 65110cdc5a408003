"""Writes a transformers LlamaForCausalLM, or tensors shaped like its weights, as GGUF of architecture llama.

Names and keys are those that libllama's loader asks for. numpy shapes are the reverse of ggml's: an array
(n_out, n_in) is the tensor with ne = [n_in, n_out].
"""

import re
from collections.abc import Iterable

import gguf
import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

ARCHITECTURE = "llama"

TOP_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
BLOCK_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(module: str) -> str:
    """GGUF name, without ".weight", of a module: model.layers.0.self_attn.q_proj -> blk.0.attn_q."""
    if module in TOP_NAMES:
        return TOP_NAMES[module]
    block, part = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", module).groups()
    return f"blk.{block}.{BLOCK_NAMES[part]}"


def interleave_rows(rows: np.ndarray, n_head: int) -> np.ndarray:
    """Reorders the output rows of each head from HF's rope layout to GGUF's.

    HF rotates row i of a head with row i + d/2, ggml's rope rotates row 2i with row 2i + 1. So within each head
    GGUF row 2i + j is HF row i + j*d/2.
    """
    head_size = rows.shape[0] // n_head
    half = np.arange(head_size // 2)
    order = np.stack([half, half + head_size // 2], axis=1).reshape(-1)
    heads = np.arange(n_head)[:, None] * head_size
    return rows[(heads + order).reshape(-1)]


def in_gguf_order(name: str, rows: np.ndarray, config: LlamaConfig) -> np.ndarray:
    """rows (n_out, ...) of the GGUF tensor called name: those of attn_q and attn_k change places, others stay."""
    if name.endswith("attn_q"):
        return interleave_rows(rows, config.num_attention_heads)
    if name.endswith("attn_k"):
        return interleave_rows(rows, config.num_key_value_heads)
    return rows


def weights(model: LlamaForCausalLM, value=lambda weight: weight) -> dict[str, np.ndarray]:
    """GGUF name -> float32 array of value(weight) for every weight; a tied output does not appear."""
    result = {}
    for hf_name, weight in model.named_parameters():
        name = gguf_name(hf_name.removesuffix(".weight"))
        array = value(weight).detach().to(torch.float32).numpy()
        result[name + ".weight"] = np.ascontiguousarray(in_gguf_order(name, array, model.config))
    return result


def rope_factors(model: LlamaForCausalLM) -> np.ndarray | None:
    """What ggml divides each rope frequency by ([head_size/2]): plain frequency over the model's; None if all are 1."""
    rotary = model.model.rotary_emb
    plain, _ = rotary.compute_default_rope_parameters(model.config)
    if rotary.rope_type == "default":
        return None
    return (plain.double() / rotary.inv_freq.double()).to(torch.float32).numpy()


def vocabulary(n_vocab: int) -> tuple[list[bytes], list[float], list[int]]:
    """A complete SentencePiece vocabulary: specials, 256 bytes, then the space, letters and two-letter pieces."""
    pieces = ["\u2581"] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces += ["\u2581" + chr(c) for c in range(ord("a"), ord("z") + 1)]
    specials = [b"<unk>", b"<s>", b"</s>"]
    n_fixed = len(specials) + 256
    n_pieces = n_vocab - n_fixed
    if not 0 <= n_pieces <= len(pieces):
        raise ValueError(f"n_vocab must be in {n_fixed}..{n_fixed + len(pieces)}, got {n_vocab}")
    tokens = specials + [b"<0x%02X>" % b for b in range(256)] + [p.encode() for p in pieces[:n_pieces]]
    scores = [0.0] * n_fixed + [-float(i + 1) for i in range(n_pieces)]
    kind = gguf.TokenType
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * 256 + [kind.NORMAL] * n_pieces
    return tokens, scores, [int(t) for t in types]


def write_tensors(writer: gguf.GGUFWriter, tensors: Iterable[tuple[str, np.ndarray]]) -> None:
    """Adds the tensors and writes the whole file."""
    for name, array in tensors:
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_model(path: str, model: LlamaForCausalLM, name: str) -> None:
    """Writes a complete F32 model file that libllama loads."""
    config = model.config
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])

    tokens, scores, types = vocabulary(config.vocab_size)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)

    tensors = list(weights(model).items())
    factors = rope_factors(model)
    if factors is not None:
        tensors.insert(0, ("rope_freqs.weight", factors))
    write_tensors(writer, tensors)
