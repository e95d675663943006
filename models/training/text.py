"""Random but real-looking text: identifiers, paths, phrases, and sequences that no rule can guess.

Everything is drawn from one seeded generator, so that a seed names a data set. A model learns to copy only what it
has had to copy: hence the share of rare tokens, random characters and every kind of punctuation.
"""

import json
import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

WORDS = """parse load save open close read write fetch send build make create delete update find search list get set
add remove render draw sort merge split join map filter reduce hash sign verify encode decode pack unpack start stop
run pause resume cache queue stack tree node graph edge path file line token block page slot lane agent task job user
account order invoice cart price tax mail event timer clock log trace error result state config option param value key
index count size limit total buffer stream socket server client router handler model view table row column cell field
form button menu panel editor cursor range theme color font icon image audio video frame layer shape point vector
matrix tensor weight score rank label group team role grant scope policy audit snapshot restore commit branch diff
patch test spec mock bench metric ledger money round half even settle""".split()
SUFFIXES = ["ts"] * 8 + ["js", "js", "mjs", "tsx", "py", "go", "rs", "md", "json", "c", "java", "css", "yml"]
FOLDERS = """src lib app core server client utils tests test pkg internal api ui kernel shared hal extension webview
scripts bench dist packages cmd docs examples .github node_modules""".split()
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
FOREIGN = "äöüßéèñçøåœ–—…“”‘’→←≤≥≠×±°µ€£²³½αβγλπ✓✗•中文字日本語한국русский"

NAME_PART = re.compile(r"[A-Za-z0-9_$]+")
IDENTIFIER = re.compile(r"\b[a-zA-Z_$][a-zA-Z0-9_$]{3,28}\b")
COMMENT = re.compile(r"^\s*(?://+|/?\*+|#+)\s+(\S.{11,140}?)(?:\s*\*/)?$")


@dataclass(frozen=True)
class Corpus:
    """Real code: files as lines, those that export something, identifiers, words of comments, and folders' entries."""

    files: list[list[str]]
    modules: list[list[str]]
    names: list[str]
    comments: list[list[str]]
    folders: list[tuple[str, list[str]]]


def load_corpus(work: Path, split: str) -> Corpus:
    """The lines of one split; folders are names alone and come from both."""
    corpus = json.loads((work / "corpus.json").read_text(encoding="utf-8"))
    files: list[list[str]] = corpus[split]
    names: set[str] = set()
    comments: list[list[str]] = []
    for lines in files:
        for line in lines:
            names.update(IDENTIFIER.findall(line))
            comment = COMMENT.match(line)
            if comment and len(words := comment.group(1).split()) > 2:
                comments.append(words)
    modules = [lines for lines in files if sum(line.startswith("export ") for line in lines) > 1]
    return Corpus(files, modules or files, sorted(name for name in names if re.search(r"[A-Z_]", name[1:])), comments, corpus["folders"])


class Text:
    """Draws text from a corpus, a vocabulary's pieces and a seed."""

    def __init__(self, corpus: Corpus, pieces: list[str], seed: int) -> None:
        self.corpus = corpus
        self.pieces = pieces or WORDS
        self.name_parts = [part for piece in self.pieces if NAME_PART.fullmatch(part := piece.strip())]
        self.rng = random.Random(seed)
        # Set by the conversation that is drawn: whether its names and texts are such as people write.
        self.plain = False

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, options: list[T]) -> T:
        return self.rng.choice(options)

    def made_up(self) -> str:
        """An identifier put together from common words, or from random pieces."""
        rng = self.rng
        parts = [rng.choice(WORDS) for _ in range(rng.choice([1, 2, 2, 2, 3]))]
        if rng.random() < 0.2:
            parts[rng.randrange(len(parts))] = self.letters(2, 9)
        style = rng.random()
        if style < 0.55:
            name = parts[0] + "".join(part[:1].upper() + part[1:] for part in parts[1:])
        elif style < 0.75:
            name = "".join(part[:1].upper() + part[1:] for part in parts)
        else:
            name = "_".join(parts) if style < 0.88 else "_".join(parts).upper()
        return name + (str(rng.randint(2, 99)) if rng.random() < 0.08 else "")

    def letters(self, least: int, most: int) -> str:
        """A word nobody uses: vocabulary pieces or single letters, letters only."""
        rng = self.rng
        word = ""
        while len(word) < least:
            piece = rng.choice(self.pieces).strip() if rng.random() < 0.7 else rng.choice(ALPHABET)
            word += "".join(c for c in piece if c.isascii() and c.isalpha())
        return word[: rng.randint(least, most)]

    def pieced(self, least: int = 1, most: int = 3) -> str:
        """A name of any vocabulary pieces: every token has to be copied now and then, or it cannot be."""
        name = "".join(self.pick(self.name_parts) for _ in range(self.rng.randint(least, most)))
        return name if not name[0].isdigit() else f"{self.pick(ALPHABET[:52])}{name}"

    def identifier(self) -> str:
        kind = self.rng.random()
        if kind < (0.06 if self.plain else 0.45):
            return self.pieced(2, 3)
        return self.made_up() if kind < (0.3 if self.plain else 0.65) else self.pick(self.corpus.names)

    def word(self) -> str:
        if self.plain and self.chance(0.7):
            return self.pick(WORDS)
        return self.pick(WORDS) if self.chance(0.4) else self.pieced()

    def junk(self, least: int = 1, most: int = 8) -> str:
        """Text that cannot be guessed, only copied."""
        rng = self.rng
        kind = rng.random()
        count = rng.randint(least, most)
        if kind < 0.5:
            text = "".join(rng.choice(self.pieces) for _ in range(count))
        elif kind < 0.7:
            text = "".join(rng.choice(ALPHABET + PUNCTUATION) for _ in range(count * 2))
        elif kind < 0.85:
            text = " ".join(self.number() for _ in range(count))
        elif kind < 0.93:
            text = "".join(rng.choice(PUNCTUATION + " ") for _ in range(count))
        else:
            text = "".join(rng.choice(FOREIGN) for _ in range(count))
        return " ".join(text.split()) or rng.choice(self.corpus.names)

    def number(self) -> str:
        rng = self.rng
        n = rng.randint(0, 10 ** rng.randint(1, 9))
        return rng.choice(
            [
                str(n),
                str(n % 1000),
                f"{n % 10**4 / 10:.1f}",
                f"{n % 10**6 / 100:.2f}",
                f"0x{n:x}",
                f"{n % 100}%",
                f"#{n % 100000}",
                f"v{n % 20}.{n % 13}.{n % 7}",
                f"2^{n % 64}",
                f"{n % 24:02}:{n % 60:02}",
                f"-{n % 1000}",
                f"{n:,}",
                f"{n % 1000} ms",
                f"{n % 1000}MB",
            ]
        )

    def phrase(self, least: int = 2, most: int = 9) -> str:
        """Some words of a real comment, with now and then one that does not belong."""
        rng = self.rng
        if rng.random() < (0.02 if self.plain else 0.15):
            words = [self.word() for _ in range(rng.randint(least, most))]
        else:
            comment = rng.choice(self.corpus.comments)
            count = rng.randint(least, most)
            start = rng.randrange(max(1, len(comment) - count + 1))
            words = comment[start : start + count]
        if rng.random() < (0.2 if self.plain else 0.45):
            extra = rng.choice([self.junk, self.loose, self.loose, self.number, self.identifier])()
            words = [*words]
            words.insert(rng.randrange(len(words) + 1), self.decorated(extra))
        return " ".join(words)

    def loose(self) -> str:
        """Some vocabulary pieces as they are, spaces included."""
        return "".join(self.pick(self.pieces) for _ in range(self.rng.randint(2, 6))).strip() or "it"

    def decorated(self, text: str) -> str:
        return self.pick(["{}", "{}", "{}", "`{}`", "'{}'", '"{}"', "({})", "{}:", "{},", "[{}]", "<{}>"]).format(text)

    def folder(self) -> str:
        return "/".join(self.folder_part() for _ in range(self.pick([1, 1, 1, 2, 2, 3])))

    def folder_part(self) -> str:
        kind = self.rng.random()
        if kind < (0.7 if self.plain else 0.5):
            return self.pick(FOLDERS)
        return self.pick(WORDS) if kind < 0.7 else self.identifier() if kind < 0.8 else self.pieced()

    def file_name(self) -> str:
        base = self.pick(WORDS) if self.chance(0.3) else self.identifier()
        if self.chance(0.3):
            base += self.pick(["-", "_", ".", ""]) + self.pick([self.pick(WORDS), self.letters(2, 6).lower()])
        return f"{base}.{self.pick(SUFFIXES)}"

    def listing(self) -> tuple[str, list[str]]:
        """A real folder and what is in it."""
        return self.pick(self.corpus.folders)

    def path(self) -> str:
        if self.chance(0.6 if self.plain else 0.15):
            folder, entries = self.listing()
            files = [name for name in entries if not name.endswith("/")]
            if files:
                return f"{folder}/{self.pick(files)}"
        return self.file_name() if self.chance(0.15) else f"{self.folder()}/{self.file_name()}"

    def code(self, count: int) -> list[str]:
        """Neighbouring lines of a real file."""
        lines = self.pick(self.corpus.files)
        start = 0 if self.chance(0.25) else self.rng.randrange(max(1, len(lines) - count))
        return lines[start : start + count]
