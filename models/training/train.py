"""The training loop: AdamW in bf16 on the CPU, several single-threaded workers, resumable.

    python -m models.training.train --work .cache/training --minutes 100 [--from models/amk-embedded.gguf]

Each worker draws its own episodes; gradients are summed after every step, so a step waits once and not at every
matrix product. The learning rate follows the clock (warm-up, then a cosine to the end), and episodes grow longer
as it runs. `checkpoint.pt` holds everything; starting again with the same command goes on from it. Its `average` is
the running mean of the weights, which is what gets evaluated and exported.
"""

import argparse
import copy
import json
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.distributed as distributed
from tokenizers import Tokenizer
from torch import Tensor, multiprocessing
from torch.nn import functional

from .batches import IGNORED, Batches, Row, encode
from .catalogue import FAMILIES
from .episodes import Episodes
from .evaluate import count_right, draw_rows
from .model import Model
from .text import Text, load_corpus
from .tokenizer import pieces_of
from .weights import load_gguf

WARMUP_STEPS = 100
AVERAGE_DECAY = 0.998
# Share of the time → tokens of the longest episode: short ones first, since they cost least and teach copying.
CURRICULUM = ((0.3, 1024), (1.0, 2048))
# A token's row learns only from the few batches that hold it, and must not fade meanwhile.
EMBEDDING_RATE = 2.5
CHECKPOINT_SECONDS = 180
LOG_STEPS = 50
EVALUATE_STEPS = 400
EVALUATE_EACH = 12


def longest_at(progress: float) -> int:
    return next((length for share, length in CURRICULUM if progress <= share), CURRICULUM[-1][1])


def rate_at(peak: float, step: int, progress: float) -> float:
    decay = 0.04 + 0.96 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return peak * min(1.0, (step + 1) / WARMUP_STEPS) * decay


class Trainer:
    """One worker: its data, its copy of the model, and the loop."""

    def __init__(self, args: argparse.Namespace, rank: int) -> None:
        self.args = args
        self.rank = rank
        self.checkpoint: Path = args.work / "checkpoint.pt"
        self.tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
        self.model = load_gguf(args.source) if args.source else Model()
        self.average = copy.deepcopy(self.model)
        embedding, *rest = self.model.parameters()
        groups = [
            {"params": [embedding], "scale": EMBEDDING_RATE, "weight_decay": 0.0},
            {"params": rest, "scale": 1.0, "weight_decay": 0.05},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.95), foreach=True)
        self.step, self.tokens, self.before = 0, 0, 0.0
        if self.checkpoint.exists():
            self.resume()
        self.started = time.monotonic()
        self.saved = self.started
        seed = 1000 * args.seed + 10 * self.step + rank
        pieces = pieces_of(self.tokenizer)
        self.batches = Batches(
            self.rows(Episodes(Text(load_corpus(args.work, "train"), pieces, seed))), args.budget, random.Random(seed)
        )
        heldout = Episodes(Text(load_corpus(args.work, "heldout"), pieces, 1_000_000))
        rows = draw_rows(self.tokenizer, heldout, EVALUATE_EACH, 1536)
        self.heldout = rows[rank :: args.workers]
        self.recent: list[float] = []

    def rows(self, episodes: Episodes) -> Iterator[Row]:
        while True:
            yield encode(self.tokenizer, episodes.draw())

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self.started

    def resume(self) -> None:
        saved = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.model.load_state_dict(saved["raw"])
        self.average.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.tokens, self.before = saved["step"], saved["tokens"], saved["elapsed"]

    def save(self) -> None:
        """`model` is the average: what the exporter takes."""
        partial = self.checkpoint.with_suffix(".partial")
        state = {
            "shape": self.model.shape.as_dict(),
            "model": self.average.state_dict(),
            "raw": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "tokens": self.tokens,
            "elapsed": self.elapsed(),
        }
        torch.save(state, partial)
        partial.replace(self.checkpoint)
        self.saved = time.monotonic()

    def backward(self, ids: Tensor, labels: Tensor) -> tuple[float, int]:
        """Adds the gradient of the summed loss; returns that sum and the number of targets."""
        wanted = labels != IGNORED
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.model.logits(self.model.hidden(ids, wanted))
        loss = functional.cross_entropy(logits.float(), labels[wanted], reduction="sum")
        loss.backward()
        return loss.item(), int(wanted.sum())

    def share(self, loss: float, targets: int, tokens: int, progress: float) -> tuple[float, int, float]:
        """Sums gradients and counts over the workers; the first worker's clock holds for all."""
        clock = progress if self.rank == 0 else 0.0
        parts = [p.grad.view(-1) for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([*parts, torch.tensor([loss, float(targets), float(tokens), clock])])
        distributed.all_reduce(flat)
        loss, targets, tokens, progress = (float(value) for value in flat[-4:])
        flat /= targets
        offset = 0
        for part in parts:
            part.copy_(flat[offset : offset + part.numel()])
            offset += part.numel()
        return loss / targets, int(tokens), progress

    def run(self) -> None:
        progress = min(1.0, self.before / (self.args.minutes * 60))
        while progress < 1.0:
            ids, labels = self.batches.draw(longest_at(progress))
            self.optimizer.zero_grad()
            loss, targets = self.backward(ids, labels)
            here = self.elapsed() / (self.args.minutes * 60)
            loss, tokens, progress = self.share(loss, targets, ids.numel(), here)
            for group in self.optimizer.param_groups:
                group["lr"] = group["scale"] * rate_at(self.args.rate, self.step, progress)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.follow()
            self.step += 1
            self.tokens += tokens
            self.recent.append(loss)
            self.report(progress)
        if self.rank == 0:
            self.save()

    @torch.no_grad()
    def follow(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.parameters(), self.model.parameters()):
            mean.lerp_(now, 1 - decay)

    def report(self, progress: float) -> None:
        first = self.rank == 0
        if first and self.step % LOG_STEPS == 0:
            loss = sum(self.recent[-LOG_STEPS:]) / LOG_STEPS
            speed = self.tokens / self.elapsed()
            print(
                f"{self.elapsed():.0f} s ({progress:.0%})  step {self.step}  {self.tokens / 1e6:.2f} M tokens  "
                f"{speed:.0f}/s  loss {loss:.4f}",
                flush=True,
            )
        if first and time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self.save()
        if self.step % EVALUATE_STEPS == 0 or progress >= 1.0:
            self.evaluate()

    def evaluate(self) -> None:
        """Every worker does its share of the held-out episodes."""
        with torch.autocast("cpu", torch.bfloat16):
            scores = count_right(self.average, self.heldout)
        counts = torch.tensor([[s.n, s.toolCall, s.answer] for s in scores.values()])
        distributed.all_reduce(counts)
        if self.rank == 0:
            shares = {f: [round(float(c[1] / c[0]), 2), round(float(c[2] / c[0]), 2)] for f, c in zip(FAMILIES, counts)}
            print(f"  exact [calls, answer]: {json.dumps(shares)}", flush=True)


def work(rank: int, args: argparse.Namespace, rendezvous: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    distributed.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=args.workers)
    Trainer(args, rank).run()
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--from", dest="source", type=Path, help="GGUF whose weights to go on from")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--budget", type=int, default=5120, help="tokens of a batch of one worker")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rendezvous = args.work.resolve() / f"rendezvous.{os.getpid()}"
    try:
        multiprocessing.spawn(work, args=(args, rendezvous), nprocs=args.workers)
    finally:
        rendezvous.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
