"""Share of held-out episodes whose tool calls and answers come out exactly right, family by family.

    python -m models.training.evaluate FILE.gguf --work .cache/training [--each 200] [--seed 1000000]

Teacher-forced: every token of the target is the model's first choice given the right text before it, which is the
same as greedy decoding giving exactly the target.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from .batches import IGNORED, Row, collate, encode
from .catalogue import FAMILIES
from .episodes import Episodes
from .model import Model
from .text import Text, load_corpus

BUDGET = 8192


@dataclass
class Score:
    n: int = 0
    toolCall: float = 0.0
    answer: float = 0.0


def draw_rows(tokenizer: Tokenizer, episodes: Episodes, each: int, longest: int) -> list[tuple[str, Row]]:
    """`each` held-out rows of every family."""
    rows: list[tuple[str, Row]] = []
    for family in FAMILIES:
        found = 0
        while found < each:
            row = encode(tokenizer, episodes.draw(family))
            if len(row.ids) <= longest:
                rows.append((family, row))
                found += 1
    return sorted(rows, key=lambda entry: len(entry[1].ids))


@torch.no_grad()
def right(model: Model, rows: list[Row]) -> list[list[bool]]:
    """For each row, which of its target segments come out exactly."""
    ids, labels = collate(rows)
    wanted = labels != IGNORED
    hit = torch.ones_like(wanted)
    hit[wanted] = model.logits(model.hidden(ids, wanted)).argmax(-1) == labels[wanted]
    return [[bool(hit[i, a - 1 : b - 1].all()) for a, b in row.spans] for i, row in enumerate(rows)]


def count_right(model: Model, entries: list[tuple[str, Row]]) -> dict[str, Score]:
    """Counts, not shares, so that several workers' can be added up."""
    scores = {family: Score() for family in FAMILIES}
    start = 0
    while start < len(entries):
        end = start + 1
        while end < len(entries) and (end + 1 - start) * len(entries[end][1].ids) <= BUDGET:
            end += 1
        part = entries[start:end]
        for (family, _), hits in zip(part, right(model, [row for _, row in part])):
            scores[family].n += 1
            scores[family].toolCall += all(hits[:-1])
            scores[family].answer += hits[-1]
        start = end
    return scores


def main() -> None:
    from .tokenizer import pieces_of
    from .weights import load_gguf

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    text = Text(load_corpus(args.work, "heldout"), pieces_of(tokenizer), args.seed)
    model = load_gguf(args.model)
    entries = draw_rows(tokenizer, Episodes(text), args.each, model.shape.context)
    scores = count_right(model, entries)
    shares = {f: asdict(Score(s.n, round(s.toolCall / s.n, 3), round(s.answer / s.n, 3))) for f, s in scores.items()}
    print(json.dumps({"families": shares}, indent=2))


if __name__ == "__main__":
    main()
