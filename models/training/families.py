"""The families of tasks: for each, a request, the tool calls it takes, and the one right answer.

An answer is a function of what the conversation shows, never of knowledge. Families that read the same kind of
result draw it from the same source, so that the request alone decides what to look for. What an answer copies stands
there with the same character before it as where it is copied from, a space or a line break: so its tokens are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .chat import Call, Task
from .search import Hits, draw_hits
from .sources import Source, draw_source
from .text import WORDS, Text
from .wording import quoted, request

LONGEST_FILE = 70


def refusal(text: Text, capability: str) -> tuple[str, str]:
    """A denial as the tool tells it, with the person's own words in a second line, and why it was in one sentence."""
    why = text.pick([f"no grant for {capability}"] * 4 + [f"{capability} refused by the user"])
    if text.chance(0.75):
        return f"denied: {why}", f"{why}."
    reason = text.phrase(1, 7)
    return f"denied: {why}\n{reason}", sentence(f"{why}. {reason}")


def failure(text: Text, path: str) -> str:
    return "error: " + text.pick(
        [f"{path} does not exist"] * 4
        + [
            f"{path} is outside the workspace",
            f"{path} is outside the workspace",
            f"{path} is not a text file",
            f"{path} is a binary file",
            f"{path} is a folder",
            f"{path} is a file, not a folder",
            f"{path} is too large: {text.rng.randint(2, 999)} MB of at most 1 MB",
            f"{path} is not UTF-8 text",
            f"the tool was stopped after {text.rng.randint(2, 9)} s",
            f"{path}: {text.phrase(2, 8)}",
        ]
    )


def sentence(text: str) -> str:
    """A text that ends with a full stop, and with one only."""
    return text if text.endswith(".") else text + "."


def unlucky(text: Text, verb: str, thing: str, capability: str, path: str) -> tuple[str, str] | None:
    """Now and then (result, answer) of a tool that was refused or failed: the answer passes the reason on."""
    kind = text.rng.random()
    if kind < 0.06:
        result, why = refusal(text, capability)
        return result, f"I may not {verb}{thing}: {why}"
    if kind < 0.11:
        result = failure(text, path)
        return result, sentence(result.removeprefix("error: "))
    return None


def searching(text: Text, family: str, emptiness: float, answer: Callable[[str, Hits], str]) -> Task:
    """One search for a name, and what its hits say."""
    name = text.identifier()
    asked = request(text, family, x=quoted(text, name))
    bad = unlucky(text, "search", "", "fs.read", ".")
    if bad:
        return Task(family, asked, [Call("search", {"query": name}, bad[0])], bad[1])
    if text.chance(emptiness):
        return Task(family, asked, [Call("search", {"query": name}, "no matches")], nowhere(name))
    hits = draw_hits(text, name)
    return Task(family, asked, [Call("search", {"query": name}, hits.shown)], answer(name, hits))


def where(text: Text) -> Task:
    def answer(name: str, hits: Hits) -> str:
        return f"`{name}` is defined in {hits.defined[0]}:{hits.defined[1]}." if hits.defined else not_defined(name)

    return searching(text, "where", 0.06, answer)


def nowhere(name: str) -> str:
    return f"`{name}` is not in the workspace."


def not_defined(name: str) -> str:
    return f"`{name}` is used but not defined in the workspace."


def todo_answer(path: str, source: Source) -> str:
    found = source.todos()
    if not found:
        return f"No TODO comments in {path}."
    return f"TODO comments in {path}:\n" + "\n".join(f"{number}: {note}" for number, note in found)


def exports_answer(path: str, source: Source) -> str:
    names = source.exports()
    if not names:
        return f"{path} exports nothing."
    return f"{path} exports {', '.join(names)}."


def reading(text: Text, family: str, answer: Callable[[str, Source], str]) -> Task:
    path = text.path()
    asked = request(text, family, f=path if text.chance(0.9) else f"`{path}`")
    bad = unlucky(text, "read ", path, "fs.read", path)
    if bad:
        return Task(family, asked, [Call("read_file", {"path": path}, bad[0])], bad[1])
    source = Source([]) if text.chance(0.01) else draw_source(text, path, LONGEST_FILE)
    return Task(family, asked, [Call("read_file", {"path": path}, source.shown())], answer(path, source))


def todo(text: Text) -> Task:
    return reading(text, "todo", todo_answer)


def exports(text: Text) -> Task:
    return reading(text, "exports", exports_answer)


def rename(text: Text) -> Task:
    path, old, new = text.path(), text.identifier(), text.identifier()
    if text.chance(0.12):
        old, new = text.junk(1, 4).strip("`'\" "), text.junk(1, 4).strip("`'\" ")
        old, new = old or "a", new or "b"
        asked = request(text, "rename", a=f"`{old}`", b=f"`{new}`", f=path)
    else:
        asked = request(text, "rename", a=quoted(text, old), b=quoted(text, new), f=path)
    count = text.rng.choice([1, 1, 2, 3, text.rng.randint(1, 300)])
    occurrences = f"{count} occurrence{'s' if count != 1 else ''}"
    result, answer = f"replaced {occurrences}", f"Renamed `{old}` to `{new}` in {path}: {occurrences}."
    kind = text.rng.random()
    if kind < 0.12:
        result, why = refusal(text, "fs.write")
        answer = f"I may not edit {path}: {why}"
    elif kind < 0.26:
        result = text.pick([failure(text, path), f"error: `{old}` does not occur in {path}"])
        answer = sentence(result.removeprefix("error: "))
    return Task("rename", asked, [Call("edit_file", {"path": path, "find": old, "replace": new}, result)], answer)


def command(text: Text) -> str:
    rng = text.rng
    script = text.pick([rng.choice(WORDS), text.letters(2, 8).lower(), f"{rng.choice(WORDS)}:{rng.choice(WORDS)}"])
    return text.pick(
        [
            *(
                "npm test",
                "npm run lint",
                "npm run build",
                "cargo test",
                "go test ./...",
                "pytest -q",
                "make check",
                "make",
            ),
            *(
                f"npm run {script}",
                f"npm run {script}",
                f"make {script}",
                f"npx {script}",
                f"yarn {script}",
                f"./{script}.sh",
            ),
            *(
                f"node {text.path()}",
                f"python3 {text.path()}",
                f"npx mocha {text.path()}",
                f"node --test {text.path()}",
            ),
            *(f"git {script}", f"cat {text.path()}", f"ls {text.folder()}", f"npx tsc -b {text.folder()}"),
            f'node -e "{text.identifier()}({rng.randint(0, 99)})"',
            f"{script} --{rng.choice(WORDS)} {text.number()}",
        ]
    )


def output_line(text: Text) -> str:
    rng = text.rng
    return text.pick(
        [
            f"{rng.randint(1, 900)} passed, {rng.choice([0, 0, rng.randint(1, 30)])} failed",
            f"{rng.randint(0, 900)} passing ({rng.randint(1, 900)}{text.pick(['ms', 's', 'm'])})",
            f"{rng.randint(1, 90)} failing",
            f"Tests: {rng.randint(0, 99)} failed, {rng.randint(1, 999)} passed, {rng.randint(1, 999)} total",
            f"{text.path()}:{rng.randint(1, 900)}:{rng.randint(1, 90)} - error TS{rng.randint(1000, 9999)}: {text.phrase()}",
            f"✖ {rng.randint(1, 99)} problems ({rng.randint(1, 99)} errors, {rng.randint(0, 9)} warnings)",
            f"  ✓ {text.phrase()} ({rng.randint(1, 900)}ms)",
            f"> {text.identifier()}@{rng.randint(0, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)} {rng.choice(WORDS)}",
            f"{text.identifier()}Error: {text.phrase()}",
            f"    at {text.identifier()} ({text.path()}:{rng.randint(1, 999)}:{rng.randint(1, 99)})",
            f"Found {rng.randint(1, 99)} errors in {rng.randint(1, 9)} files.",
            f"done in {rng.randint(1, 99)}.{rng.randint(0, 99)}s",
            *(text.phrase(), text.phrase(), text.phrase(1, 14), text.junk(1, 14)),
            (text.pick(text.code(6) or ["ok"]) or "ok")[:120],
        ]
    )


def run_answer(shell: str, lines: list[str], status: int) -> str:
    """The verdict, with the last line that says anything."""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    verdict = f"`{shell}` passes" if status == 0 else f"`{shell}` fails with exit {status}"
    return sentence(f"{verdict}: {last}" if last else verdict)


def run(text: Text) -> Task:
    rng = text.rng
    shell = command(text)
    asked = request(text, "run", c=text.pick([shell, shell, f"`{shell}`", f"`{shell}`", f"'{shell}'"]))
    kind = rng.random()
    if kind < 0.12:
        result, why = refusal(text, "process.run")
        answer = f"I may not run `{shell}`: {why}"
        return Task("run", asked, [Call("run", {"command": shell}, result)], answer)
    if kind < 0.17:
        result = "error: " + text.pick(
            [
                f"`{shell}` was stopped after 120 s",
                f"{shell.split()[0]} not found",
                f"{shell.split()[0]}: {text.phrase()}",
            ]
        )
        return Task("run", asked, [Call("run", {"command": shell}, result)], sentence(result.removeprefix("error: ")))
    lines = [output_line(text) for _ in range(rng.choice([0, 1, 1, 2, 3, 4, 6, 9, 14, 25]))]
    lines += [""] * rng.choice([0, 0, 0, 1, 2])
    if len(lines) > 8 and text.chance(0.4):
        lines.insert(len(lines) // 2, f"... {rng.randint(2, 900)} lines left out")
    status = 0 if text.chance(0.55) else rng.choice([1, 1, 1, 2, 3, 127, rng.randint(1, 255)])
    result = "\n".join([*lines, f"exit {status}"])
    return Task("run", asked, [Call("run", {"command": shell}, result)], run_answer(shell, lines, status))


def folder_entries(text: Text) -> list[str]:
    """Entries as the tool sorts them: real ones, made-up ones, or both."""
    rng = text.rng
    kind = rng.random()
    names = text.listing()[1] if kind < (0.7 if text.plain else 0.35) else []
    if not names or kind < 0.15:
        count = rng.choice([rng.randint(1, 9), rng.randint(4, 20), rng.randint(10, 40)])
        stem = text.identifier() if text.chance(0.3) else ""
        names = [*names, *((stem if text.chance(0.5) else "") + entry(text) for _ in range(count))]
    names = list(dict.fromkeys(names))[:48]
    return names if text.chance(0.1) else sorted(names)


def list_folder(text: Text) -> Task:
    rng = text.rng
    folder = "." if text.chance(0.1) else text.folder()
    shown = folder + "/" if folder != "." and text.chance(0.12) else folder
    asked = request(text, "list", d=text.pick([shown, shown, shown, f"`{shown}`"]))
    arguments = {"path": shown}
    bad = unlucky(text, "list ", shown, "fs.read", shown)
    if bad:
        return Task("list", asked, [Call("list_dir", arguments, bad[0])], bad[1])
    if text.chance(0.04):
        return Task("list", asked, [Call("list_dir", arguments, "(empty)")], f"{shown} is empty.")
    names = folder_entries(text)
    if len(names) > 12 and text.chance(0.15):
        names.append(f"... {rng.randint(1, 400)} more")
    return Task("list", asked, [Call("list_dir", arguments, "\n".join(names))], "\n".join([f"{shown} holds:", *names]))


def entry(text: Text) -> str:
    kind = text.rng.random()
    if kind < 0.7:
        return text.file_name()
    if kind < 0.92:
        return text.folder_part() + "/"
    return text.pick(
        [".gitignore", "LICENSE", "Makefile", "Dockerfile", ".env", text.identifier(), f".{text.pick(WORDS)}rc"]
    )


def count_matches(text: Text) -> Task:
    def answer(name: str, hits: Hits) -> str:
        return f"`{name}` matches {hits.count} line{'s' if hits.count != 1 else ''}."

    return searching(text, "count", 0.1, answer)


def two_step(text: Text) -> Task:
    """Search for a name, read the file that defines it, answer about that file."""
    name = text.identifier()
    family, answer = text.pick([("todosOfDefiner", todo_answer), ("exportsOfDefiner", exports_answer)])
    asked = request(text, family, x=quoted(text, name))
    if text.chance(0.06):
        return Task("twoStep", asked, [Call("search", {"query": name}, "no matches")], nowhere(name))
    hits = draw_hits(text, name, most=8)
    search = Call("search", {"query": name}, hits.shown)
    if not hits.defined:
        return Task("twoStep", asked, [search], not_defined(name))
    path = hits.defined[0]
    bad = unlucky(text, "read ", path, "fs.read", path)
    if bad:
        return Task("twoStep", asked, [search, Call("read_file", {"path": path}, bad[0])], bad[1])
    source = draw_source(text, path, LONGEST_FILE // 2)
    return Task("twoStep", asked, [search, Call("read_file", {"path": path}, source.shown())], answer(path, source))


def repeat(text: Text) -> Task:
    """Nothing but copying, of what nobody could guess: teaches the rare tokens that every other family needs."""
    parts = [text.pick([text.junk, text.phrase, text.identifier, text.path])() for _ in range(text.rng.choice([1, 2, 4, 7, 10]))]
    if text.chance(0.3):
        parts.append((text.pick(text.code(4) or [""]) or "")[:120])
    asked = text.pick([" ", " ", ", ", "\n"]).join(part for part in parts if part).strip()
    return Task("repeat", request(text, "repeat", p=asked), [], asked)


def impossible(text: Text) -> Task:
    """No tool can answer it. What the answer says depends on the tools there are: the episode fills it in."""
    asked = request(text, "impossible", w=text.word(), p=text.phrase(), n=str(text.rng.randint(2, 99)))
    return Task("impossible", asked, [], "")


def refused(text: Text) -> Task:
    """Any tool that a right is missing for."""
    path, name = text.path(), text.identifier()
    kind = text.pick(["todo", "exports", "where", "list", "rename", "run"])
    if kind in ("todo", "exports"):
        result, why = refusal(text, "fs.read")
        call = Call("read_file", {"path": path}, result)
        return Task("denied", request(text, kind, f=path), [call], f"I may not read {path}: {why}")
    if kind == "where":
        result, why = refusal(text, "fs.read")
        return Task(
            "denied", request(text, kind, x=name), [Call("search", {"query": name}, result)], f"I may not search: {why}"
        )
    if kind == "list":
        result, why = refusal(text, "fs.read")
        folder = text.folder()
        call = Call("list_dir", {"path": folder}, result)
        return Task("denied", request(text, kind, d=folder), [call], f"I may not list {folder}: {why}")
    if kind == "rename":
        result, why = refusal(text, "fs.write")
        new = text.identifier()
        call = Call("edit_file", {"path": path, "find": name, "replace": new}, result)
        return Task("denied", request(text, kind, a=name, b=new, f=path), [call], f"I may not edit {path}: {why}")
    result, why = refusal(text, "process.run")
    shell = command(text)
    call = Call("run", {"command": shell}, result)
    return Task("denied", request(text, kind, c=shell), [call], f"I may not run `{shell}`: {why}")


def failed(text: Text) -> Task:
    """A tool that could not do it, or a name that is nowhere."""
    path, name = text.path(), text.identifier()
    kind = text.pick(["todo", "exports", "list", "where", "count"])
    if kind in ("where", "count"):
        return Task("failed", request(text, kind, x=name), [Call("search", {"query": name}, "no matches")], nowhere(name))
    result = failure(text, path)
    tool = "list_dir" if kind == "list" else "read_file"
    answer = sentence(result.removeprefix("error: "))
    return Task("failed", request(text, kind, f=path, d=path), [Call(tool, {"path": path}, result)], answer)


Draw = Callable[[Text], list[Task]]


@dataclass(frozen=True)
class Family:
    draw: Draw
    weight: float


def single(draw: Callable[[Text], Task]) -> Draw:
    return lambda text: [draw(text)]


SINGLE = {
    "where": Family(single(where), 2.2),
    "todo": Family(single(todo), 2.4),
    "exports": Family(single(exports), 4.0),
    "rename": Family(single(rename), 1.2),
    "run": Family(single(run), 1.4),
    "list": Family(single(list_folder), 2.0),
    "count": Family(single(count_matches), 0.8),
    "twoStep": Family(single(two_step), 0.9),
    "repeat": Family(single(repeat), 1.2),
    "impossible": Family(single(impossible), 0.7),
    "denied": Family(single(refused), 0.5),
    "failed": Family(single(failed), 0.5),
}
