"""Trains the embedder: vectors of words, averaged, so that a question lies near the block it is about.

    python -m models.training.embedder models/amk-embedder.gguf --work .cache/training --minutes 15

Starts from the language model's vectors and learns from pairs by contrast: of all blocks of a batch, several of which
are from the same file, the right one has to be the nearest, and of all questions too (InfoNCE). Texts are read as
words: `readLines` is " read lines", so that a name and a question about it have the same tokens; the file says so.
Layers of attention did not pay within the time a CPU gives: there is one, because the format asks for it, and it adds
nothing.
"""

import argparse
import math
import random
import re
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from .model import Model, Shape
from .pairs import Pair, Pairs
from .text import Text, load_corpus
from .tokenizer import pieces_of
from .weights import load_gguf, write_gguf

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
THIN = {"layers": 1, "kv_heads": 1, "feed_forward": 32}
TEMPERATURE = 0.05
LONGEST_TOKENS = 320
# Pairs from one file, and files of a batch: some are new, the others were drawn for one of the last batches.
TOGETHER = 5
NEW_FILES = 48
OLD_FILES = 112
KEPT_FILES = 8000
RATE = 3e-3
WARMUP_STEPS = 20
LOG_STEPS = 50

Encoded = tuple[list[int], list[int]]


def as_words(text: str) -> str:
    """The text as the engine's side prepares it: lower-case words, each after a space."""
    return "".join(f" {word.lower()}" for word in WORD.findall(text))


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(as_words(text)).ids[:LONGEST_TOKENS] or [0]


class Embedder(nn.Module):
    """Token lists to unit vectors. The norm weighs dimensions, and so, in effect, tokens."""

    def __init__(self, source: Model) -> None:
        """Begins with a language model's vectors, or goes on from an embedder."""
        super().__init__()
        vectors = source.embedding.weight.data
        is_embedder = source.shape.layers == THIN["layers"]
        self.vectors = nn.Parameter(vectors.clone())
        self.scale = nn.Parameter(source.norm.weight.data.clone() if is_embedder else torch.ones(vectors.shape[1]))

    def forward(self, rows: list[list[int]]) -> Tensor:
        table = functional.rms_norm(self.vectors, (self.vectors.shape[1],), self.scale, 1e-5)
        ids = torch.tensor([token for row in rows for token in row])
        starts = torch.tensor([0, *map(len, rows[:-1])]).cumsum(0)
        return functional.normalize(functional.embedding_bag(ids, table, starts, mode="sum"), dim=-1)

    def as_model(self, shape: Shape) -> Model:
        """The same as a network that the file format knows."""
        model = Model(Shape(**{**shape.as_dict(), **THIN}))
        for parameter in model.blocks.parameters():
            nn.init.zeros_(parameter)
        for norm in (model.blocks[0].attention_norm, model.blocks[0].ffn_norm):
            nn.init.ones_(norm.weight)
        model.embedding.weight.data.copy_(self.vectors.data)
        model.norm.weight.data.copy_(self.scale.data)
        return model


class Batches:
    """Groups of pairs from one file each, drawn once and used some ten times."""

    def __init__(self, pairs: Pairs, tokenizer: Tokenizer) -> None:
        self.pairs = pairs
        self.tokenizer = tokenizer
        self.kept: list[list[Encoded]] = []
        self.rng = random.Random(7)

    def draw(self) -> list[Encoded]:
        groups = [
            [
                (encode(self.tokenizer, pair.query), encode(self.tokenizer, pair.block))
                for pair in self.pairs.together(TOGETHER)
            ]
            for _ in range(NEW_FILES if len(self.kept) > OLD_FILES else NEW_FILES + OLD_FILES)
        ]
        batch = groups + self.rng.sample(self.kept, min(len(self.kept), OLD_FILES))
        self.kept = [*self.kept, *groups][-KEPT_FILES:]
        return [pair for group in batch for pair in group]


def contrast(queries: Tensor, blocks: Tensor) -> Tensor:
    scores = queries @ blocks.T / TEMPERATURE
    right = torch.arange(len(scores))
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2


@torch.no_grad()
def recalls(embedder: Embedder, tokenizer: Tokenizer, pairs: list[Pair]) -> dict[str, float]:
    """Share of the questions whose block is among the first five, by kind."""
    queries = embedder([encode(tokenizer, pair.query) for pair in pairs])
    blocks = embedder([encode(tokenizer, pair.block) for pair in pairs])
    scores = queries @ blocks.T
    ranks = (scores > scores.diagonal()[:, None]).sum(1)
    kinds = {pair.kind: [rank < 5 for rank, other in zip(ranks, pairs) if other.kind == pair.kind] for pair in pairs}
    return {kind: round(float(sum(hits)) / len(hits), 2) for kind, hits in sorted(kinds.items())}


def train(embedder: Embedder, tokenizer: Tokenizer, batches: Batches, heldout: list[Pair], minutes: float) -> None:
    """The learning rate follows the clock and falls to nothing at its end."""
    optimizer = torch.optim.AdamW(embedder.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    started, progress = time.monotonic(), 0.0
    recent: list[float] = []
    while progress < 1.0:
        batch = batches.draw()
        loss = contrast(embedder([query for query, _ in batch]), embedder([block for _, block in batch]))
        optimizer.zero_grad()
        loss.backward()
        progress = (time.monotonic() - started) / (60 * minutes)
        for group in optimizer.param_groups:
            decay = 0.01 + 0.495 * (1 + math.cos(math.pi * min(1.0, progress)))
            group["lr"] = RATE * min(1.0, (len(recent) + 1) / WARMUP_STEPS) * decay
        optimizer.step()
        recent.append(loss.item())
        if len(recent) % LOG_STEPS == 0 or progress >= 1.0:
            mean = sum(recent[-LOG_STEPS:]) / len(recent[-LOG_STEPS:])
            print(
                f"{progress:.0%}  step {len(recent)}  {len(batch)} pairs  loss {mean:.3f}  "
                f"recall@5 {recalls(embedder, tokenizer, heldout)}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--from", dest="source", type=Path, default=Path("models/amk-embedded.gguf"))
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    pieces = pieces_of(tokenizer)
    others = Pairs(Text(load_corpus(args.work, "heldout"), pieces, 1_000_000))
    heldout = [pair for _ in range(120) for pair in others.together(TOGETHER)]
    source = load_gguf(args.source)
    embedder = Embedder(source)
    batches = Batches(Pairs(Text(load_corpus(args.work, "train"), pieces, args.seed)), tokenizer)
    train(embedder, tokenizer, batches, heldout, args.minutes)
    write_gguf(embedder.as_model(source.shape), args.work / "tokenizer.json", args.target, "q8_0", "amk-embedder", True)
    print(f"{args.target}: {args.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
