"""What the programs that draw held-out data have in common: their options, and the form of their files."""

import argparse
import json
from pathlib import Path


def options(doc: str | None, each: int, seed: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--corpus", type=Path, help="work folder of the corpus, where it is another one")
    parser.add_argument("--each", type=int, default=each)
    parser.add_argument("--seed", type=int, default=seed)
    return parser


def write(target: Path, items: list[dict[str, object]]) -> None:
    """One item a line, so that two versions can be compared."""
    lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
    target.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
