"""Logits, loss and the gradient of every weight of a two-block model, computed by PyTorch in float64.

Per variant: <name>.gguf, the model, and <name>_grads.gguf, which holds
  golden.sequences         uint32, the number of sequences; each is computed alone, from position 0
  golden.tokens.<i>        int32 array
  golden.labels.<i>        int32 array aligned with the tokens, -100 = no loss (shifted when the loss is computed)
  golden.loss              float64, the mean over all unmasked labels of all sequences
  golden.label_count       uint32, how many those are
  logits                   [n_vocab, n_tokens] of sequence 0
  <weight's name>          the gradient of the loss, shaped and ordered as the weight
"""

import contextlib
from pathlib import Path
from unittest import mock

import gguf
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

import gguf_llama
import tiny_model

NO_LABEL = -100
LENGTHS = (29, 18)


@contextlib.contextmanager
def no_float32():
    """transformers rounds to float32 inside rope, norms and softmax; here those places compute in float64 too."""
    with (
        mock.patch.object(torch, "float32", torch.float64),
        mock.patch.object(torch, "float", torch.float64),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        yield


def sequences(seed: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random tokens after BOS with labels; the start is masked, as a prompt is, and a few labels in between."""
    generator = torch.Generator().manual_seed(seed)
    result = []
    for length in LENGTHS:
        tokens = torch.randint(3, tiny_model.N_VOCAB, (length,), generator=generator)
        tokens[0] = 1
        labels = tokens.clone()
        labels[: length // 4] = NO_LABEL
        labels[torch.rand(length, generator=generator) < 0.15] = NO_LABEL
        result.append((tokens, labels))
    return result


def loss_sum(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum of -log p(label) over the unmasked labels; logits (batch, tokens, vocabulary), labels (batch, tokens)."""
    shifted = labels[:, 1:].reshape(-1)
    return cross_entropy(logits[:, :-1].reshape(len(shifted), -1), shifted, ignore_index=NO_LABEL, reduction="sum")


def backward(model: LlamaForCausalLM, rows) -> tuple[float, int, torch.Tensor]:
    """Leaves the gradient of the token mean in the weights; returns loss, number of labels, logits of row 0."""
    count = sum(int((labels[1:] != NO_LABEL).sum()) for _, labels in rows)
    total, first = 0.0, None
    for tokens, labels in rows:
        logits = model(input_ids=tokens[None]).logits
        loss = loss_sum(logits, labels[None]) / count
        loss.backward()
        total += loss.item()
        first = logits[0].detach() if first is None else first
    return total, count, first


def write_grads(path: str, model: LlamaForCausalLM, rows, loss: float, count: int, logits: torch.Tensor) -> None:
    writer = gguf.GGUFWriter(path, gguf_llama.ARCHITECTURE)
    writer.add_type("gradients")
    writer.add_uint32("golden.sequences", len(rows))
    for i, (tokens, labels) in enumerate(rows):
        for key, values in (("tokens", tokens), ("labels", labels)):
            writer.add_key_value(
                f"golden.{key}.{i}", values.tolist(), gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.INT32
            )
    writer.add_float64("golden.loss", loss)
    writer.add_uint32("golden.label_count", count)
    grads = gguf_llama.weights(model, value=lambda weight: weight.grad)
    gguf_llama.write_tensors(writer, [("logits", logits.to(torch.float32).numpy()), *grads.items()])


def make(folder: Path, name: str, llama3: bool, seed: int) -> None:
    model = tiny_model.build(seed, llama3)
    gguf_llama.write_model(str(folder / f"{name}.gguf"), model, name)
    model.double()
    rows = sequences(seed + 1)
    with no_float32():
        loss, count, logits = backward(model, rows)
    if logits.dtype != torch.float64:
        raise TypeError(f"the logits are {logits.dtype}, want float64")
    write_grads(str(folder / f"{name}_grads.gguf"), model, rows, loss, count, logits)
    print(f"{name}: loss {loss:.6f} over {count} labels")


def make_all(testdata: Path) -> None:
    testdata.mkdir(parents=True, exist_ok=True)
    make(testdata, "two_block", llama3=False, seed=11)
    make(testdata, "two_block_llama3", llama3=True, seed=12)
