"""Writes held-out episodes as JSON, for measuring a GGUF outside Python.

    python -m models.training.heldout FILE.json --work .cache/training [--each 20] [--seed 2000000]
    python -m models.training.heldout FILE.json --folder SOURCES        (questions about real files)

The first form draws from the generator, over code and identifiers that training never saw (`--corpus` names another
work folder whose corpus to take); the second asks about the files of a folder, with results as the tools give them.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tokenizers import Tokenizer

from .batches import encode
from .catalogue import FAMILIES
from .chat import TOOLS, Call, Episode, Task
from .drawing import options, write
from .episodes import Episodes
from .families import exports_answer, todo_answer
from .outline import page
from .sources import Source
from .text import Text, load_corpus
from .tokenizer import pieces_of

LONGEST_TOKENS = 1536
LINE_CHARS = 100
# What the kernel leaves a tool's result of a context of 2,048 tokens.
RESULT_BYTES = 1536
MOST_HITS = 12
KERNEL_TOOLS = [name for name in TOOLS if name != "recall"]
READERS = {
    "todo": (todo_answer, ["List the TODO comments in {f}.", "Any open TODOs in {f}?"]),
    "exports": (exports_answer, ["What does {f} export?", "List the exports of {f}."]),
}


def drawn(work: Path, corpus: Path, each: int, seed: int) -> Iterator[Episode]:
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    episodes = Episodes(Text(load_corpus(corpus, "heldout"), pieces_of(tokenizer), seed))
    for family in FAMILIES:
        found = 0
        while found < each:
            episode = episodes.draw(family)
            if len(encode(tokenizer, episode).ids) <= LONGEST_TOKENS:
                found += 1
                yield episode


def hits(name: str, files: dict[str, list[str]]) -> tuple[str, str]:
    """The search tool's lines for a name, definition first, and where the definition is."""
    defines = re.compile(rf"\b(?:function|class|const|let|interface|type|enum|def)\s+{re.escape(name)}\b")
    found = [(p, n, line.strip()) for p, lines in files.items() for n, line in enumerate(lines, 1) if name in line]
    found.sort(key=lambda hit: not defines.search(hit[2]))
    text = "\n".join(f"{path}:{number}: {line}"[:LINE_CHARS] for path, number, line in found[:MOST_HITS])
    if len(found) > MOST_HITS:
        text += f"\n... {MOST_HITS} of {len(found)} matches shown"
    return text, f"{found[0][0]}:{found[0][1]}"


def asked(folder: Path, seed: int) -> Iterator[Episode]:
    """Every file's exports and TODOs, some of its names, and every folder's entries."""
    rng = random.Random(seed)
    paths = [path for path in sorted(folder.rglob("*.ts")) if path.is_file()]
    files = {f"{folder.name}/{p.relative_to(folder)}": p.read_text(encoding="utf-8").splitlines() for p in paths}

    def episode(family: str, request: str, call: Call, answer: str) -> Episode:
        return Episode("You are scout, a coding agent.", KERNEL_TOOLS, [Task(family, request, [call], answer)])

    for path, lines in files.items():
        source = Source(*page(path, lines, RESULT_BYTES))
        for family, (answer, wordings) in READERS.items():
            call = Call("read_file", {"path": path}, source.shown())
            yield episode(family, rng.choice(wordings).format(f=path), call, answer(path, source))
        names = [name for name in source.exports() if name.isidentifier() and name != "default"]
        for name in rng.sample(names, min(2, len(names))):
            text, place = hits(name, files)
            call = Call("search", {"query": name}, text)
            yield episode("where", f"Where is {name} defined?", call, f"`{name}` is defined in {place}.")
    for parent in sorted({path.parent for path in paths}):
        name = f"{folder.name}/{parent.relative_to(folder)}".removesuffix("/.")
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in parent.iterdir())
        call = Call("list_dir", {"path": name}, "\n".join(entries))
        yield episode("list", f"What is in {name}?", call, "\n".join([f"{name} holds:", *entries]))


def main() -> None:
    parser = options(__doc__, 20, 2_000_000)
    parser.add_argument("--folder", type=Path, help="ask about the files of this folder instead")
    args = parser.parse_args()
    source = (
        asked(args.folder.resolve(), args.seed)
        if args.folder
        else drawn(args.work, args.corpus or args.work, args.each, args.seed)
    )
    episodes = [asdict(episode) for episode in source]
    write(args.target, episodes)
    print(f"{args.target}: {len(episodes)} episodes, {args.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
