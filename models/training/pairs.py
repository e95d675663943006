"""Pairs for the embedder: a question or a line of code, and the block of text that it is about.

    python -m models.training.pairs FILE.json --corpus .cache/evaluation [--each 80]    (writes held-out pairs)

A block is what the store keeps of a conversation: some lines of a file, a search's result, notes. A paraphrased
question avoids the block's own words where the table of synonyms has others.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from .drawing import options, write
from .lookups import fact, noise
from .outline import DECLARING
from .search import draw_hits
from .sources import todo_line
from .synonyms import SYNONYMS, stem_of
from .text import IDENTIFIER, Text, load_corpus
from .tokenizer import pieces_of
from .wording import TABLE, request

BLOCK_CHARS = 900
FILLERS = {"of", "for", "the", "a", "all", "in", "with", "and"}
KINDS = ("line", "question", "paraphrase", "fact")
NAMED = re.compile(DECLARING.pattern.removesuffix(r"\w") + r"([A-Za-z_$][\w$]{3,})")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
DOCUMENTATION = re.compile(r"^\s*(?:/\*\*?|\*|//+|#)\s*([A-Za-z][^@{}<>]{18,140}?)\.?\s*(?:\*/)?$")
ABOUT = """Where is {x} defined?|What does {x} do?|How does {x} work?|Show me {x}.|{x}|Where is {x} used?|Find {x}.
Which file holds {x}?|I need the code of {x}.|the definition of {x}|Who calls {x}?|Explain {x}.""".replace("\n", "|").split("|")
PARAPHRASES = """How do we {w}?|code that does {w}|Where does it {w}?|Which part is about {w}?|{w}|the function for {w}|Find the {w}.
Where is the logic to {w}?|Something with {w}.|What is responsible for {w}?|{w} handling|How does {w} work here?
I look for {w}.|Is there anything for {w}?|Which code has to do with {w}?""".replace("\n", "|").split("|")
FACTS = """Which {a} does {t} have?|{a} of {t}|What is {t}'s {a}?|Tell me about the {a} of {t}.|What did we say of {t}'s {a}?
Do you know the {a} for {t}?|{t}: {a}?|What {a} was chosen for {t}?|the {a} that {t} uses""".replace("\n", "|").split("|")


@dataclass(frozen=True)
class Pair:
    kind: str
    query: str
    block: str
    about: str = ""


def words_of(name: str) -> list[str]:
    return [word.lower() for word in WORD.findall(name)]


def synonym(word: str, rng: random.Random) -> str:
    stem, ending = stem_of(word)
    if stem not in SYNONYMS:
        return word
    other = rng.choice(SYNONYMS[stem])
    return other + ("s" if ending in ("s", "es") else "ing" if ending == "ing" else "")


def in_other_words(words: list[str], rng: random.Random) -> list[str]:
    """At least one word is another one; now and then one is left out, or the order changes."""
    known = [index for index, word in enumerate(words) if stem_of(word)[0] in SYNONYMS]
    changed = set(rng.sample(known, rng.randint(1, len(known))))
    new = [synonym(word, rng) if index in changed else word for index, word in enumerate(words)]
    if len(new) > 2 and rng.random() < 0.2:
        new.pop(rng.choice([index for index in range(len(new)) if index not in changed] or [0]))
    if rng.random() < 0.3:
        new = [*new[1:], "of" if rng.random() < 0.5 else "for", new[0]]
    elif rng.random() < 0.3:
        new.insert(1, rng.choice(["the", "a", "all"]))
    return new


class Pairs:
    """Draws pairs; the kinds are `line`, `question`, `paraphrase`, `comment` and `fact`."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.file: list[str] | None = None

    def draw(self, kind: str | None = None) -> Pair:
        self.text.plain = True
        while True:
            pair = self.attempt(kind or self.text.pick([*KINDS, "comment", "question", "paraphrase", "paraphrase"]))
            if pair is not None:
                return pair

    def attempt(self, kind: str) -> Pair | None:
        """None where the place that was drawn has nothing to ask about."""
        draws = {
            "line": self.line,
            "question": self.question,
            "paraphrase": self.paraphrase,
            "fact": self.fact,
            "comment": self.comment,
        }
        return draws[kind]()

    def together(self, count: int) -> list[Pair]:
        """Pairs from one file, whose blocks are alike: they have to be told apart by what is in them."""
        self.file = self.text.pick(self.text.corpus.modules if self.text.chance(0.6) else self.text.corpus.files)
        pairs = [self.draw() for _ in range(min(count, 1 + len(self.file) // 60))]
        self.file = None
        return pairs

    def block(self) -> list[str]:
        """Some lines of a file, or a search's result."""
        text = self.text
        if text.chance(0.08):
            lines = draw_hits(text, text.identifier()).shown.split("\n")
        else:
            code = self.file or text.pick(text.corpus.modules if text.chance(0.6) else text.corpus.files)
            start = text.rng.randrange(max(1, len(code) - 6))
            lines = code[start : start + text.rng.randint(6, 34)]
        if text.chance(0.15):
            lines.insert(text.rng.randrange(len(lines) + 1), todo_line(text))
        return self.shortened(lines)

    def shortened(self, lines: list[str]) -> list[str]:
        size = 0
        for index, line in enumerate(lines):
            size += len(line) + 1
            if size > BLOCK_CHARS:
                return lines[: max(1, index)]
        return lines

    def shown(self, lines: list[str]) -> str:
        """A block with or without where it is from, with or without line numbers."""
        text = self.text
        if text.chance(0.4):
            first = text.rng.randint(1, 400)
            lines = [f"{first + index}: {line}" for index, line in enumerate(lines)]
        head = text.pick(["", "", f"{text.path()}\n", f"#{text.rng.randint(1, 300)} {text.path()}:\n"])
        return head + "\n".join(lines)

    def line(self) -> Pair | None:
        lines = self.block()
        long = [line.strip() for line in lines if len(line.strip()) >= 16]
        if not long:
            return None
        query = self.text.pick(long)[:120]
        words = query.split(" ")
        if len(words) > 4 and self.text.chance(0.5):
            start = self.text.rng.randrange(len(words) - 3)
            query = " ".join(words[start : start + self.text.rng.randint(3, 8)])
        return Pair("line", query, self.shown(lines))

    def question(self) -> Pair | None:
        lines = self.block()
        names = [name for line in lines for name in NAMED.findall(line)]
        if not names or self.text.chance(0.4):
            names = [name for line in lines for name in IDENTIFIER.findall(line) if name[1:] != name[1:].lower()]
        if not names:
            return None
        forms = ABOUT if self.text.chance(0.7) else TABLE["where"]
        name = self.text.pick(names)
        return Pair("question", self.text.pick(forms).format(x=name), self.shown(lines), name)

    def paraphrase(self) -> Pair | None:
        lines = self.block()
        names = [[w for w in words_of(name) if len(w) > 2] for line in lines for name in NAMED.findall(line)]
        names = [words for words in names if len(words) > 1 and any(stem_of(w)[0] in SYNONYMS for w in words)]
        if not names:
            return None
        main = self.text.pick(names)
        words = in_other_words(main, self.text.rng)
        if len(main) < 3 or self.text.chance(0.4):
            other = [word for word in self.text.pick(names) if word not in main]
            words += [self.text.pick(["in", "with", "and"]), *other] if other else []
        if len(set(words) - FILLERS) < 3:
            return None
        query = self.text.pick(PARAPHRASES).format(w=" ".join(words))
        return Pair("paraphrase", query, self.shown(lines), "".join(word.capitalize() for word in main))

    def comment(self) -> Pair | None:
        """What a comment says, and the code below it without the comment."""
        code = self.file or self.text.pick(self.text.corpus.files)
        places = [index for index, line in enumerate(code[:-4]) if DOCUMENTATION.match(line)]
        if not places:
            return None
        place = self.text.pick(places)
        said = DOCUMENTATION.match(code[place])
        below = [line for line in code[place + 1 : place + 30] if not re.match(r"\s*(?:/?\*|//|#)", line)]
        if said is None or len(below) < 4:
            return None
        return Pair("comment", said.group(1), self.shown(self.shortened(below)))

    def fact(self) -> Pair:
        text = self.text
        attribute, thing, sentence = fact(text)
        if text.chance(0.5):
            lines = [*noise(text, attribute, thing), *noise(text, "", ""), sentence]
            text.rng.shuffle(lines)
        else:
            lines = self.block()[:12]
            lines.insert(text.rng.randrange(len(lines) + 1), text.pick(["", "// ", "Note: "]) + sentence)
        asked = synonym(attribute, text.rng) if text.chance(0.4) else attribute
        said = thing.removeprefix("the ")
        if text.chance(0.3) and len(words := words_of(said)) > 1:
            said = " ".join(words)
        form = text.pick(FACTS) if text.chance(0.7) else None
        query = form.format(a=asked, t=said) if form else request(text, "fact", a=asked, t=said)
        return Pair("fact", query, self.shown(lines))


def distinct(pairs: Pairs, each: int) -> list[Pair]:
    """`each` pairs of every kind, no two blocks of which share a long line: one block alone is the right one."""
    found: list[Pair] = []
    seen: set[str] = set()
    for kind in KINDS:
        while sum(pair.kind == kind for pair in found) < each:
            pair = pairs.draw(kind)
            lines = {line.strip() for line in re.sub(r"(?m)^\d+: ", "", pair.block).split("\n") if len(line.strip()) > 24}
            if len(lines) >= 3 and not lines & seen and unique(pair, found):
                seen |= lines
                found.append(pair)
    return found


def named_in(name: str, block: str) -> bool:
    """Whether an identifier of the block has all the words of the name."""
    words = set(words_of(name))
    return any(words <= set(words_of(other)) for other in set(IDENTIFIER.findall(block)))


def unique(pair: Pair, others: list[Pair]) -> bool:
    """Whether the question says enough, and what it asks for is in this block alone."""
    if pair.kind == "line" and len({word for word in words_of(pair.query) if len(word) > 2}) < 4:
        return False
    if pair.about and any(named_in(pair.about, other.block) for other in others):
        return False
    return not any(other.about and named_in(other.about, pair.block) for other in others)


def main() -> None:
    parser = options(__doc__, 60, 3_000_000)
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    pairs = Pairs(Text(load_corpus(args.corpus or args.work, "heldout"), pieces_of(tokenizer), args.seed))
    drawn = [{"kind": pair.kind, "query": pair.query, "block": pair.block} for pair in distinct(pairs, args.each)]
    write(args.target, drawn)
    print(f"{args.target}: {len(drawn)} pairs, {args.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
