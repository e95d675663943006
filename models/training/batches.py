"""Episodes as tensors: rows of similar length, padded at the end; loss only where the model writes."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .chat import Episode, segments

IGNORED = -100
PAD_TO = 32
BUFFER = 192


@dataclass(frozen=True)
class Row:
    """One episode: token ids, which of them are targets, and where each target segment of the last task lies."""

    ids: list[int]
    target: list[bool]
    spans: list[tuple[int, int]]


def encode(tokenizer: Tokenizer, episode: Episode) -> Row:
    ids: list[int] = []
    target: list[bool] = []
    spans: list[tuple[int, int]] = []
    for part, is_target in segments(episode):
        encoded = tokenizer.encode(part).ids
        if is_target:
            spans.append((len(ids), len(ids) + len(encoded)))
        ids += encoded
        target += [is_target] * len(encoded)
    return Row(ids, target, spans[-1 - len(episode.tasks[-1].calls) :])


def collate(rows: list[Row]) -> tuple[Tensor, Tensor]:
    """(ids, labels), both (rows, time); a label is the next token, or IGNORED."""
    longest = max(len(row.ids) for row in rows)
    time = -(-longest // PAD_TO) * PAD_TO
    ids = torch.zeros(len(rows), time, dtype=torch.long)
    labels = torch.full((len(rows), time), IGNORED)
    for index, row in enumerate(rows):
        own = torch.tensor(row.ids)
        ids[index, : len(own)] = own
        following = torch.where(torch.tensor(row.target[1:]), own[1:], IGNORED)
        labels[index, : len(own) - 1] = following
    return ids, labels


class Batches:
    """Batches of about `budget` tokens, drawn from a buffer sorted by length."""

    def __init__(self, episodes: Iterator[Row], budget: int, rng: random.Random) -> None:
        self.episodes = episodes
        self.budget = budget
        self.rng = rng
        self.buffer: list[Row] = []

    def draw(self, longest: int) -> tuple[Tensor, Tensor]:
        """The next batch, of episodes of at most `longest` tokens."""
        self.buffer = [row for row in self.buffer if len(row.ids) <= longest]
        while len(self.buffer) < BUFFER:
            row = next(self.episodes)
            if len(row.ids) <= longest:
                self.buffer.append(row)
        self.buffer.sort(key=lambda row: len(row.ids))
        last = self.rng.randrange(len(self.buffer))
        count = max(1, self.budget // len(self.buffer[last].ids))
        first = max(0, last + 1 - count)
        rows = self.buffer[first : last + 1]
        del self.buffer[first : last + 1]
        return collate(rows)
