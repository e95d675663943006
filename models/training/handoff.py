"""Going on with a conversation that another agent, or an earlier task, began.

What was read stays in sight, so a follow-up about "it" is answered from there, without a tool. The new agent's system
message comes after the old one's last answer: nothing before it changes, and so its attention state can be kept.
"""

from dataclasses import replace

from .chat import Call, Task
from .families import LONGEST_FILE, SINGLE, exports_answer, failure, refusal, sentence, todo_answer
from .search import draw_hits
from .sources import draw_source
from .text import Text
from .wording import quoted, request

# The tasks that another agent may have had before.
EARLIER = [SINGLE[name].draw for name in ("where", "todo", "exports", "list", "run", "count", "denied", "failed")]
AGENTS = ["scout", "reviewer", "coder", "runner", "planner", "fixer", "writer", "tester"]


def instruction(text: Text) -> str:
    """The system message of the agent that takes over."""
    name = text.pick(AGENTS) if text.chance(0.7) else text.letters(2, 10).lower()
    parts = [f"You are {name}, a coding agent."]
    if text.chance(0.5):
        parts.append(request(text, "takeOver"))
    if text.chance(0.3):
        parts.append(text.phrase(3, 12).capitalize() + ".")
    return text.pick([" ", "\n"]).join(parts)


def taken_over(text: Text, before: list[Task], after: Task) -> list[Task]:
    """The task after is given with a new system message, or the request alone says that somebody else asks."""
    kind = text.rng.random()
    last = replace(after, family="handoff")
    if kind < 0.6:
        last = replace(last, instruction=instruction(text))
    elif kind < 0.75:
        last = replace(last, request=f"{instruction(text)} {last.request}")
    return [*before, last]


def same_file(text: Text) -> list[Task]:
    """A file was read for one question; the next one is about the same file."""
    path = text.path()
    source = draw_source(text, path, LONGEST_FILE)
    kinds = [("todo", "sameTodos", todo_answer), ("exports", "sameExports", exports_answer)]
    text.rng.shuffle(kinds)
    (first, _, first_answer), (_, second, second_answer) = kinds
    call = Call("read_file", {"path": path}, source.shown())
    before = Task(first, request(text, first, f=path), [call], first_answer(path, source))
    return taken_over(text, [before], Task("", request(text, second), [], second_answer(path, source)))


def of_definition(text: Text) -> list[Task]:
    """A name was found; the next agent reads or changes the file that defines it."""
    name = text.identifier()
    hits = draw_hits(text, name, most=8, found=True)
    path, line = hits.defined or ("", 0)
    found = f"`{name}` is defined in {path}:{line}."
    before = Task("where", request(text, "where", x=quoted(text, name)), [Call("search", {"query": name}, hits.shown)], found)
    if text.chance(0.3):
        new = text.identifier()
        count = text.rng.randint(1, 30)
        occurrences = f"{count} occurrence{'s' if count != 1 else ''}"
        call = Call("edit_file", {"path": path, "find": name, "replace": new}, f"replaced {occurrences}")
        after = Task(
            "", request(text, "renameIt", b=quoted(text, new)), [call], f"Renamed `{name}` to `{new}` in {path}: {occurrences}."
        )
        return taken_over(text, [before], after)
    wording, answer = text.pick([("itsTodos", todo_answer), ("itsExports", exports_answer)])
    source = draw_source(text, path, LONGEST_FILE // 2)
    after = Task("", request(text, wording), [Call("read_file", {"path": path}, source.shown())], answer(path, source))
    return taken_over(text, [before], after)


def previous(text: Text) -> list[Task]:
    """The next agent passes the last answer on."""
    before = [task for _ in range(text.pick([1, 1, 2])) for task in text.pick(EARLIER)(text)]
    return taken_over(text, before, Task("", request(text, "previous"), [], before[-1].answer))


def why_not(text: Text) -> list[Task]:
    """A refusal or a failure is explained once more."""
    path = text.path()
    if text.chance(0.5):
        result, why = refusal(text, "fs.read")
        answer = f"I may not read {path}: {why}"
    else:
        result = failure(text, path)
        answer = sentence(result.removeprefix("error: "))
    wording = text.pick(["todo", "exports"])
    before = Task(wording, request(text, wording, f=path), [Call("read_file", {"path": path}, result)], answer)
    return taken_over(text, [before], Task("", request(text, "whyNot"), [], answer))


def new_task(text: Text) -> list[Task]:
    """The next agent has a task of its own, which has nothing to do with what was before."""
    first, second = text.pick(EARLIER)(text), text.pick(EARLIER)(text)
    return taken_over(text, first, second[-1])


def handoff(text: Text) -> list[Task]:
    return text.pick([same_file, same_file, same_file, of_definition, of_definition, previous, why_not, new_task])(text)
