"""Tasks about what was said or stored before: nested key-value pairs, facts told in passing, and `recall`.

A chain of keys is answered by naming every step, `a -> b -> c`: each step is one look at the pairs, so that depth
costs length and not insight. With pairs that are paged out, each step is a call of `recall`.
"""

from collections.abc import Callable

from .chat import Call, Task
from .text import Text
from .wording import request

NOTED = "Noted."
NOTHING = "nothing found"
MOST_PAIRS = 64
ATTRIBUTES = """port name limit owner version colour size default timeout address key password token path folder author
price weight deadline status priority colour code number label language format license branch editor budget room
capacity retry count interval prefix suffix checksum region host user team city currency""".split()

Pair = tuple[str, str]


def key(text: Text, kind: float) -> str:
    """A key or a value: all of one list are of one kind."""
    rng = text.rng
    if kind < 0.4:
        return str(rng.randint(10, 10 ** (3 + int(kind * 18))))
    if kind < 0.55:
        return text.pieced(2, 3)
    if kind < 0.75:
        return text.made_up() if kind < 0.65 else text.pick(text.corpus.names)
    if kind < 0.9:
        return text.letters(4, 9).lower()
    digits = f"{rng.getrandbits(64):016x}"
    return digits[:8] if kind < 0.95 else f"{digits[:4]}-{digits[4:8]}-{digits[8:12]}"


def draw_pairs(text: Text, count: int, levels: int) -> tuple[list[Pair], list[str]]:
    """Pairs in random order and the chain that a question follows; other chains lie between them."""
    kind = text.rng.random()
    names = list(dict.fromkeys(key(text, kind) for _ in range(2 * count + levels + 8)))
    chain, rest = names[: levels + 2], names[levels + 2 :]
    pairs = list(zip(chain, chain[1:]))
    while len(pairs) < count and len(rest) > 6:
        other, rest = rest[: (end := text.rng.choice([2, 2, 2, 3, 4]))], rest[end:]
        pairs += zip(other, other[1:])
    text.rng.shuffle(pairs)
    return pairs, chain


def written(text: Text, pairs: list[Pair]) -> list[str]:
    form = text.pick(
        ["{}: {}", "{}: {}", "{} = {}", "{}={}", "{} -> {}", '"{}": "{}"', '"{}": "{}",', "- {}: {}", "| {} | {} |", "{} {}"]
    )
    return [form.format(*pair) for pair in pairs]


def arrows(chain: list[str]) -> str:
    return " -> ".join(chain)


def key_value(levels: int) -> Callable[[Text], list[Task]]:
    """All pairs are in sight; `levels` values are keys themselves."""

    def draw(text: Text) -> list[Task]:
        family = f"keyValue{levels}"
        count = text.rng.choice([text.rng.randint(levels + 1, 12), text.rng.randint(8, 30), text.rng.randint(20, MOST_PAIRS)])
        pairs, chain = draw_pairs(text, count, levels)
        lines = written(text, pairs)
        asked = request(text, "direct" if levels == 0 and text.chance(0.5) else "follow", k=chain[0])
        answer = arrows(chain)
        if text.chance(0.5):
            table = "\n".join([request(text, "pairs"), *lines])
            if text.chance(0.5):
                return [Task(family, f"{table}\n\n{asked}", [], answer)]
            return [Task("note", table, [], NOTED), *more(text, family, pairs), Task(family, asked, [], answer)]
        tasks: list[Task] = []
        size = -(-len(lines) // text.rng.randint(1, 4))
        for start in range(0, len(lines), size):
            tasks.append(Task("note", "\n".join([request(text, "pairs"), *lines[start : start + size]]), [], NOTED))
        return [*tasks, *more(text, family, pairs), Task(family, asked, [], answer)]

    return draw


def more(text: Text, family: str, pairs: list[Pair]) -> list[Task]:
    """Other questions about the same pairs."""
    following = dict(pairs)
    tasks: list[Task] = []
    for start in text.rng.sample(list(following), min(len(following), text.rng.choice([1, 3, 5, 8]))):
        chain = [start]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        tasks.append(Task(family, request(text, "follow", k=start), [], arrows(chain)))
    return tasks


def origin(text: Text) -> str:
    """Where a stored block is from."""
    number = text.rng.randint(1, 400)
    first = text.rng.randint(1, 900)
    what = text.pick([text.path, lambda: "message", lambda: "task", lambda: "read_file", lambda: "search", lambda: "note"])()
    return text.pick([f"#{number} {what}", f"#{number} {what} {first}-{first + text.rng.randint(1, 60)}", f"[{number}] {what}"])


def stored(text: Text, blocks: list[list[str]]) -> str:
    """The result of `recall`: each block under a line that says where it is from."""
    return "\n".join("\n".join([f"{origin(text)}:", *lines]) for lines in blocks)


def stubs(text: Text) -> str:
    """What stays in sight of blocks that were paged out."""
    return "\n".join(f"[paged {origin(text)}, {text.phrase(1, 5)}]" for _ in range(text.rng.randint(1, 4)))


def recalled_chain(text: Text) -> list[Task]:
    """The pairs are paged out: every key is recalled until nothing is found under one."""
    levels = text.rng.choice([0, 1, 1, 2, 3, 4])
    pairs, chain = draw_pairs(text, text.rng.randint(levels + 2, 40), levels)
    following = dict(pairs)
    calls: list[Call] = []
    for name in chain:
        near = text.rng.sample(pairs, min(len(pairs), text.rng.randint(0, 8)))
        block = [pair for pair in near if pair[0] not in chain]
        if name in following:
            block.insert(text.rng.randrange(len(block) + 1), (name, following[name]))
            calls.append(Call("recall", {"query": name}, stored(text, [written(text, block)])))
        else:
            calls.append(Call("recall", {"query": name}, NOTHING))
    asked = request(text, "follow", k=chain[0])
    before = [Task("note", stubs(text), [], NOTED)] if text.chance(0.3) else []
    return [*before, Task("recall", asked, calls, arrows(chain))]


def fact(text: Text) -> tuple[str, str, str]:
    """(attribute, thing, the sentence that tells its value)."""
    attribute = text.pick(ATTRIBUTES) if text.chance(0.8) else text.word().lower()
    thing = text.pick([text.identifier, text.path, lambda: f"the {text.pick(ATTRIBUTES)} {text.word()}", text.pieced])()
    value = text.pick([text.number, text.number, text.identifier, text.word, text.path, lambda: text.phrase(1, 4)])()
    return attribute, thing, f"The {attribute} of {thing} is {value.rstrip('.')}."


def noise(text: Text, attribute: str, thing: str) -> list[str]:
    """Lines near the one that matters: other text, and facts with the same attribute or the same thing."""
    lines = [text.phrase(3, 12) for _ in range(text.rng.randint(0, 4))]
    for _ in range(text.rng.randint(0, 3)):
        other, another, sentence = fact(text)
        if (other, another) != (attribute, thing):
            lines.append(sentence)
    return lines


def recalled_fact(text: Text) -> list[Task]:
    attribute, thing, sentence = fact(text)
    query = f"{attribute} of {thing}"
    asked = request(text, "fact", a=attribute, t=thing)
    before = [Task("note", stubs(text), [], NOTED)] if text.chance(0.3) else []
    if text.chance(0.12):
        result = NOTHING if text.chance(0.5) else stored(text, [noise(text, attribute, thing) or [text.phrase()]])
        return [*before, Task("recall", asked, [Call("recall", {"query": query}, result)], f"I find nothing about {query}.")]
    blocks = [[*noise(text, attribute, thing)] for _ in range(text.rng.randint(1, 3))]
    block = text.pick(blocks)
    block.insert(text.rng.randrange(len(block) + 1), sentence)
    result = stored(text, [block for block in blocks if block])
    return [*before, Task("recall", asked, [Call("recall", {"query": query}, result)], sentence)]


def recalled_topic(text: Text) -> list[Task]:
    """What is found is passed on as it is, without where it is from."""
    topic = text.pick([text.identifier, text.path, lambda: text.phrase(1, 4)])()
    asked = request(text, "recall", q=topic)
    if text.chance(0.12):
        return [Task("recall", asked, [Call("recall", {"query": topic}, NOTHING)], f"I find nothing about {topic}.")]
    lines = [text.phrase(3, 12) for _ in range(text.rng.randint(1, 4))]
    return [Task("recall", asked, [Call("recall", {"query": topic}, stored(text, [lines]))], "\n".join(lines))]


def recall(text: Text) -> list[Task]:
    return text.pick([recalled_chain, recalled_fact, recalled_fact, recalled_topic])(text)


def remembered(text: Text) -> list[Task]:
    """Facts told in passing and asked for later, in the same conversation."""
    facts = list({(a, t): s for a, t, s in (fact(text) for _ in range(text.rng.randint(1, 8)))}.items())
    tasks = [Task("note", request(text, "remember", s=sentence), [], NOTED) for _, sentence in facts]
    asked = text.rng.sample(facts, min(len(facts), text.rng.choice([1, 1, 2, 4])))
    return [*tasks, *(Task("remembered", request(text, "fact", a=a, t=t), [], s) for (a, t), s in asked)]
