"""Makes every golden file again: python make_golden.py [ROOT]; ROOT is the repository, by default this one."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True

import torch

import chat_tokens
import jinja_cases
import peft_lora
import two_block


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    torch.set_num_threads(1)  # sums in a fixed order
    torch.use_deterministic_algorithms(True)
    two_block.make_all(root / "peft/llama/testdata")
    peft_lora.make_all(root / "peft/train/testdata")
    jinja_cases.make_all(root / "peft/chat/testdata")
    chat_tokens.make_all(root / "peft/data/testdata/chat", root.parent / "shared/data")


if __name__ == "__main__":
    main()
