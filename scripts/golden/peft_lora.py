"""Twenty LoRA steps with HF PEFT, the reference for a training run.

One optimizer step takes 2 micro-batches of 2 rows in file order. Its loss is the mean over all unmasked labels of the
4 rows. Then the gradient is clipped to an L2 norm, AdamW steps and the schedule moves on. All in float32, as PEFT runs.

A folder holds base.gguf, start.gguf and final.gguf (the adapter in llama.cpp's format before step 1 and after the
last), rows.jsonl (input_ids and labels) and losses.json: per step the loss before the update, the norm before clipping
and the learning rate used; "settings" has the run's settings under the names of graft train's flags.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear as LoraLinear
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

import gguf_llama
import tiny_model
from two_block import NO_LABEL, loss_sum

STEPS, GRAD_ACCUM, BATCH = 20, 2, 2
HF_TARGETS = {name: hf.rsplit(".", 1)[-1] for hf, name in gguf_llama.BLOCK_NAMES.items() if "norm" not in name}
SCHEDULES = {"cosine": get_cosine_schedule_with_warmup, "linear": get_linear_schedule_with_warmup}


@dataclass(frozen=True)
class Run:
    folder: str
    rank: int
    alpha: int
    targets: tuple[str, ...]  # GGUF names
    lr: float
    schedule: str
    warmup: float  # below 1 a fraction of the steps, else steps
    clip: float
    start_b: float  # standard deviation of B at the start
    llama3: bool
    seed: int
    weight_decay: float = 0.01

    def warmup_steps(self) -> int:
        return math.ceil(self.warmup * STEPS) if self.warmup < 1 else int(self.warmup)


RUNS = (
    Run("peft20", 4, 8, tuple(HF_TARGETS), 1e-2, "cosine", 0.1, 1.0, start_b=0.0, llama3=False, seed=21),
    Run("peft20_nonzero", 8, 16, ("attn_q", "attn_v"), 1e-2, "linear", 3, 0.1, start_b=0.1, llama3=True, seed=22),
)


def make_rows(seed: int) -> list[tuple[list[int], list[int]]]:
    """Rows of 5 to 24 tokens that mostly follow a fixed successor table, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    first, n = 259, tiny_model.N_VOCAB - 259
    successor = rng.permutation(n)
    rows = []
    for _ in range(STEPS * GRAD_ACCUM * BATCH):
        tokens = [1, first + int(rng.integers(n))]
        for _ in range(int(rng.integers(3, 23))):
            follows = rng.random() < 0.8
            tokens.append(first + int(successor[tokens[-1] - first] if follows else rng.integers(n)))
        prompt = int(rng.integers(1, len(tokens) - 1))
        labels = [NO_LABEL] * prompt + tokens[prompt:]
        rows.append((tokens, [NO_LABEL if rng.random() < 0.1 else label for label in labels[:-1]] + labels[-1:]))
    return rows


def padded(rows: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """One micro-batch, padded at the right; padding is outside the attention mask and has no label."""
    longest = max(len(tokens) for tokens, _ in rows)
    pad = [longest - len(tokens) for tokens, _ in rows]
    return {
        "input_ids": torch.tensor([tokens + [0] * p for (tokens, _), p in zip(rows, pad)]),
        "attention_mask": torch.tensor([[1] * len(tokens) + [0] * p for (tokens, _), p in zip(rows, pad)]),
        "labels": torch.tensor([labels + [NO_LABEL] * p for (_, labels), p in zip(rows, pad)]),
    }


def attach(model, run: Run) -> PeftModel:
    """LoRA with PEFT's own start (A uniform, B = 0); B is random where the run asks for it."""
    torch.manual_seed(run.seed)
    targets = [HF_TARGETS[name] for name in run.targets]
    config = LoraConfig(
        r=run.rank, lora_alpha=run.alpha, target_modules=targets, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, config)
    if run.start_b > 0:
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=run.start_b)
    return model.train()


def write_adapter(path: str, model: PeftModel, run: Run) -> None:
    """LoRA GGUF as llama.cpp loads it: A is [n_in, r], B is [r, n_out], B's rows in the order of the weight's."""
    writer = gguf.GGUFWriter(path, gguf_llama.ARCHITECTURE)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(run.alpha))
    tensors = []
    for module_name, module in model.base_model.model.named_modules():
        if isinstance(module, LoraLinear):
            name = gguf_llama.gguf_name(module_name)
            a, b = (pair["default"].weight.detach().float().numpy() for pair in (module.lora_A, module.lora_B))
            b = gguf_llama.in_gguf_order(name, b, model.config)
            tensors += [(f"{name}.weight.lora_a", a.copy()), (f"{name}.weight.lora_b", np.ascontiguousarray(b))]
    gguf_llama.write_tensors(writer, tensors)


def train(model: PeftModel, run: Run, rows) -> dict[str, list[float]]:
    """The training loop; returns losses, grad_norms and lrs."""
    parameters = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=run.lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=run.weight_decay
    )
    schedule = SCHEDULES[run.schedule](optimizer, run.warmup_steps(), STEPS)
    log = {"losses": [], "grad_norms": [], "lrs": []}
    for step in range(STEPS):
        start = step * GRAD_ACCUM * BATCH
        batches = [padded(rows[i : i + BATCH]) for i in range(start, start + GRAD_ACCUM * BATCH, BATCH)]
        count = sum(int((batch["labels"][:, 1:] != NO_LABEL).sum()) for batch in batches)
        total = 0.0
        for batch in batches:
            labels = batch.pop("labels")
            loss = loss_sum(model(**batch).logits, labels)
            (loss / count).backward()
            total += loss.item()
        norm = torch.nn.utils.clip_grad_norm_(parameters, run.clip)
        log["losses"].append(total / count)
        log["grad_norms"].append(norm.item())
        log["lrs"].append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return log


def expected_lrs(run: Run) -> list[float]:
    """The schedule as graft defines it: step k counts from 1, w steps of warm-up, p = (k-1-w)/(N-w)."""
    w, lrs = run.warmup_steps(), []
    for k in range(1, STEPS + 1):
        p = (k - 1 - w) / (STEPS - w)
        shape = 1 - p if run.schedule == "linear" else (1 + math.cos(math.pi * p)) / 2
        lrs.append(run.lr * ((k - 1) / w if k - 1 < w else shape))
    return lrs


def settings(run: Run) -> dict:
    return {
        "rank": run.rank, "alpha": run.alpha, "targets": list(run.targets), "lr": run.lr, "schedule": run.schedule,
        "warmup": run.warmup, "weight-decay": run.weight_decay, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
        "clip": run.clip, "batch-size": BATCH, "grad-accum": GRAD_ACCUM, "steps": STEPS, "shuffle": False,
        "packing": False,
    }  # fmt: skip


def make(testdata: Path, run: Run) -> None:
    folder = testdata / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    model = tiny_model.build(run.seed, run.llama3)
    gguf_llama.write_model(str(folder / "base.gguf"), model, run.folder)
    rows = make_rows(run.seed)
    with open(folder / "rows.jsonl", "w", encoding="utf-8") as file:
        for tokens, labels in rows:
            file.write(json.dumps({"input_ids": tokens, "labels": labels}, separators=(",", ":")) + "\n")

    model = attach(model, run)
    write_adapter(str(folder / "start.gguf"), model, run)
    log = train(model, run, rows)
    write_adapter(str(folder / "final.gguf"), model, run)
    np.testing.assert_allclose(log["lrs"], expected_lrs(run), rtol=1e-12, atol=1e-18)
    with open(folder / "losses.json", "w", encoding="utf-8") as file:
        json.dump(log | {"settings": settings(run)}, file, indent=1)
        file.write("\n")
    print(f"{run.folder}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}")


def make_all(testdata: Path) -> None:
    for run in RUNS:
        make(testdata, run)
