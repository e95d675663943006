"""Builds the corpus: lines of real source code that the episodes are written over.

    python -m models.training.corpus FOLDER [FOLDER ...] --work .cache/training

Walks folders of open-source code (an installed node_modules will do, source maps that carry their sources
included) and writes `corpus.json`: {"train": [[line, ...], ...], "heldout": [[line, ...], ...], "folders": [[path,
[entry, ...]], ...]}. A file goes to one of the first two by a hash of its text, so that no line source is shared;
`folders` are real names alone, sorted as the list tool sorts them. The corpus is never committed.
"""

import argparse
import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {".ts", ".js", ".mjs", ".cjs", ".tsx", ".py", ".go", ".rs", ".c", ".h", ".md", ".json", ".css", ".sh"}
MAX_FILE_BYTES = 120_000
MAX_LINE_CHARS = 400
MIN_LINES = 8
MAX_LINES = 900
FILES_PER_PACKAGE = 120
LEAST_ENTRIES = 3
MOST_ENTRIES = 60
MOST_FOLDERS = 4000


def package_of(path: Path) -> str:
    """The package a file belongs to, so that no single one dominates."""
    parts = path.parts
    if "node_modules" in parts:
        last = len(parts) - 1 - parts[::-1].index("node_modules")
        return "/".join(parts[last + 1 : last + (3 if parts[last + 1].startswith("@") else 2)])
    return "/".join(parts[:5])


def texts_of(path: Path) -> Iterator[tuple[str, str]]:
    """(suffix, text) of a source file, or of every source that a source map carries."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".map":
            yield path.suffix, text
            return
        source_map = json.loads(text)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return
    for name, source in zip(source_map.get("sources", []), source_map.get("sourcesContent") or []):
        if source:
            yield Path(name).suffix, source


def clean(text: str) -> list[str] | None:
    """The file's lines, or None for what nobody wrote by hand (minified, generated, tiny)."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")][:MAX_LINES]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) < MIN_LINES or max(map(len, lines)) > MAX_LINE_CHARS:
        return None
    return lines


def collect(folders: list[Path], heldout_share: float, rng: random.Random) -> dict[str, list[list[str]]]:
    """Reads the folders and splits their files in training and held-out ones."""
    paths = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES | {".map"} and path.is_file() and path.stat().st_size <= 4 * MAX_FILE_BYTES
    ]
    rng.shuffle(paths)
    split: dict[str, list[list[str]]] = {"train": [], "heldout": []}
    seen: set[str] = set()
    taken: dict[tuple[str, str], int] = {}
    for path in paths:
        for suffix, text in texts_of(path):
            key = (package_of(path), suffix)
            digest = hashlib.sha256(text.encode()).hexdigest()
            if suffix not in SUFFIXES or len(text) > MAX_FILE_BYTES or digest in seen:
                continue
            if taken.get(key, 0) >= FILES_PER_PACKAGE:
                continue
            lines = clean(text)
            if lines is None:
                continue
            seen.add(digest)
            taken[key] = taken.get(key, 0) + 1
            split["heldout" if int(digest[:8], 16) < heldout_share * 2**32 else "train"].append(lines)
    return split


def listings(folders: list[Path], rng: random.Random) -> list[tuple[str, list[str]]]:
    """Folders by the last parts of their paths, with their entries; a folder's name ends in `/`."""
    found = {path for folder in folders for path in folder.rglob("*") if path.is_dir() and "__pycache__" not in path.parts}
    known: dict[str, list[str]] = {}
    seen: set[tuple[str, ...]] = set()
    for path in sorted(found | set(folders)):
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir() if entry.name != "__pycache__")
        usual = LEAST_ENTRIES <= len(entries) <= MOST_ENTRIES and all(e.isprintable() and len(e) <= 60 for e in entries)
        if usual and tuple(entries) not in seen:
            seen.add(tuple(entries))
            known.setdefault("/".join(path.parts[-rng.choice([1, 1, 2, 2, 3]) :]).lstrip("/"), entries)
    return rng.sample(sorted(known.items()), min(len(known), MOST_FOLDERS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--heldout-share", type=float, default=0.04)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    split = collect(args.folders, args.heldout_share, random.Random(args.seed))
    args.work.mkdir(parents=True, exist_ok=True)
    corpus = {**split, "folders": listings(args.folders, random.Random(args.seed))}
    (args.work / "corpus.json").write_text(json.dumps(corpus), encoding="utf-8")
    for name, files in split.items():
        print(f"{name}: {len(files)} files, {sum(map(len, files))} lines")


if __name__ == "__main__":
    main()
