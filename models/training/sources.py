"""Source files as the read tool shows them, and what is true of them.

A short file comes whole, `N: line` a line; of a long one come the lines that declare, export or mark something,
under their real numbers, and a last line that says how much was left out. Some are real files as they are; the others
are mixed on purpose, so that each line has to be read.
"""

import re
from dataclasses import dataclass

from .outline import BUDGETS, DECLARING, Numbered, page
from .text import Text

TODO = re.compile(r"\b(?:TODO|FIXME)\b:?\s*(.*)$")
EXPORT = re.compile(
    r"^\s*export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function\s*\*?|class|const\s+enum|const|let|var|interface|type|enum|namespace)\s+([A-Za-z_$][\w$]*)"
)
EXPORT_LIST = re.compile(r"^\s*export\s+(?:type\s+)?\{([^}]*)\}")
LIST_OPENS = re.compile(r"^\s*export\s+(?:type\s+)?\{([^}]*)$")
LIST_MEMBERS = re.compile(r"^\s*(?:(?:type\s+)?[\w$]+(?:\s+as\s+[\w$]+)?\s*(?:,\s*|$))+(?://.*)?$")
EXPORT_DEFAULT = re.compile(r"^\s*export\s+default\b")
EXPORT_ALL = re.compile(r"^\s*export\s+(?:type\s+)?\*\s+(?:as\s+([\w$]+)\s+)?(from\s+(?:'[^']*'|\"[^\"]*\"))")
# What a reader of single lines could take one way or the other is kept out of the files.
AMBIGUOUS = re.compile(
    r"^\s*export\s*(?:=|import\b)|^\s*export\s+(?:const|let|var)\s*[\[{]|^\s*(?:module\.)?exports\b|^\s*export\s*$"
    r"|^\s*export\s+(?:type\s+)?\{(?:[^}]*[^},{\s\w$]\s*$|.*…$)"
)


def listed(items: str) -> list[str]:
    """The names that a list such as `a, type b, c as d` gives to the outside."""
    words = [item.split("//")[0].split() for item in items.split(",")]
    return [item[-1] for item in words if item]


def exports_of(line: str) -> list[str]:
    """Names that a line exports by itself."""
    named = EXPORT.match(line)
    if named:
        return [named.group(1)]
    inside = EXPORT_LIST.match(line) or LIST_OPENS.match(line)
    if inside:
        return listed(inside.group(1))
    everything = EXPORT_ALL.match(line)
    if everything:
        return [everything.group(1) or f"* {everything.group(2)}"]
    return ["default"] if EXPORT_DEFAULT.match(line) else []


def exports_in(lines: list[str]) -> list[str]:
    """Names that lines export, those of lists over several lines included, each once."""
    names: dict[str, None] = {}
    in_list = False
    for line in lines:
        found = exports_of(line)
        if in_list and (line.strip().startswith("}") or not LIST_MEMBERS.match(line)):
            in_list = False
        elif in_list:
            found = listed(line)
        in_list = in_list or bool(LIST_OPENS.match(line))
        names.update(dict.fromkeys(found))
    return list(names)


def todo_of(line: str) -> str | None:
    """The text of a TODO or FIXME, the whole line where it has none, or None."""
    found = TODO.search(line)
    if not found:
        return None
    return found.group(1).strip() or line.strip()


@dataclass(frozen=True)
class Source:
    """Numbered lines, and a last line that is not one of the file's."""

    lines: list[Numbered]
    tail: str = ""

    def shown(self) -> str:
        if not self.lines:
            return "(empty file)"
        return "\n".join([f"{number}: {line}" for number, line in self.lines] + ([self.tail] if self.tail else []))

    def exports(self) -> list[str]:
        return exports_in([line for _, line in self.lines])

    def todos(self) -> list[tuple[int, str]]:
        found = ((number, todo_of(line)) for number, line in self.lines)
        return [(number, text) for number, text in found if text is not None]


def todo_line(text: Text) -> str:
    """A line with a TODO, as varied as real ones."""
    mark = text.pick(["TODO", "TODO", "TODO", "FIXME"])
    note = text.phrase(1, 12) if text.chance(0.85) else text.junk(2, 14)
    if text.chance(0.12):
        mark += f"({text.letters(2, 8).lower()})"
    note = text.pick([": ", ": ", ": ", " ", " - "]) + note
    indent = text.pick(["", "", "  ", "    ", "\t", "      "])
    if text.chance(0.2):
        return f"{indent}{text.pick(text.code(6) or ['']).strip()[:60]} // {mark}{note}"
    opening, closing = text.pick(
        [("// ", ""), ("// ", ""), ("// ", ""), ("# ", ""), ("/* ", " */"), (" * ", ""), ("//", ""), ("<!-- ", " -->")]
    )
    return f"{indent}{opening}{mark}{note}{closing}"


EXPORT_FORMS = [
    "export function {a}({b}: string): void {{",
    "export function {a}(rows: number[]): number {{",
    "export function {a}<T>({b}: readonly T[], {c}: {d}): T | undefined {{",
    "export async function {a}() {{",
    "export async function* {a}({b}: {d}): AsyncGenerator<{c}> {{",
    "export default function {a}({b}) {{",
    "export class {a} {{",
    "export class {a} extends {b} {{",
    "export class {a}<T> implements {b}<T> {{",
    "export abstract class {a} {{",
    "export const {a} = {n};",
    "export const {a}: {b} = {{ {c}: {n} }};",
    "export const {a} = ({b}: {d}) => {c}({b});",
    "export const {a} = new {b}('{c}');",
    "export const {a} = [{n}, {n}] as const;",
    "export let {a} = {b};",
    "export interface {a} {{",
    "export interface {a} extends {b}, {c} {{",
    "export type {a} = {b} | {c};",
    "export type {a}<T> = {{ readonly {b}: T }};",
    "export type {a} = (typeof {b})[number];",
    "export enum {a} {{ {b}, {c} }}",
    "export const enum {a} {{",
    "export namespace {a} {{",
    "export declare function {a}({b}: {d}): {c};",
    "export {{ {a} }};",
    "export {{ {a}, {b} }} from './{c}.js';",
    "export {{ {a} as {b}, {c} }};",
    "export type {{ {a}, {b} }} from '../{c}';",
    "export default {a};",
    "export {{ {a}, {b}, {c} }};",
    "export * from './{a}.js';",
    "export * as {a} from '../{b}';",
    "export {{\n  {a},\n  {b},\n  {c},\n}};",
    "export {{\n  {a},\n  type {b},\n  {c} as {e}\n}} from './{c}.js';",
    "export type {{\n  {a},\n  {b},\n}} from '../{e}';",
]
# Lines that look like an export or a TODO and are none.
DECOYS = [
    "// export function {a}() {{",
    " * export const {a} = {n};",
    "function {a}({b}: {d}): void {{",
    "const {a} = {b};",
    "class {a} extends {b} {{",
    "type {a} = {b};",
    "interface {a} {{",
    "import {{ {a}, {b} }} from './{c}.js';",
    "import type {{ {a} }} from '{c}';",
    "  exportable: {a},",
    "const {a} = todo.{b};",
    "const TODO_{n} = {a};",
    "// see {a}",
    "  return {a}({b});",
    "}}",
    "",
]


def filled(text: Text, form: str, stem: str = "") -> str:
    """A form with names in it; with a stem many of them begin or end alike, as the names of one file do."""

    def name() -> str:
        own = text.identifier()
        if not stem or text.chance(0.5):
            return own
        capital = own[0].upper() + own[1:]
        return text.pick([stem + capital, own + stem[0].upper() + stem[1:], stem])

    names = {key: name() for key in "abce"}
    return form.format(**names, d=text.pick(["string", "number", "Row[]", names["c"]]), n=text.rng.randint(0, 999))


def clipped(text: Text, line: str, most: int) -> str:
    return line if len(line) <= most else line[:most] + text.pick(["", "…", "…"])


def insert_all(text: Text, lines: list[str], new: list[str]) -> None:
    """Puts each somewhere between the lines, but not into another one's list."""
    blocks = [[line] for line in lines]
    for line in new:
        blocks.insert(text.rng.randrange(len(blocks) + 1), line.split("\n"))
    lines[:] = [line for block in blocks for line in block]


def draw_exports(text: Text, count: int, stem: str) -> list[str]:
    """`count` lines that export something; now and then most are of one kind, as in an index or a file of types."""
    if text.chance(0.25):
        forms = [text.pick(EXPORT_FORMS) for _ in range(2)]
        return [filled(text, text.pick(forms), stem) for _ in range(count)]
    return [filled(text, text.pick(EXPORT_FORMS), stem) for _ in range(count)]


def draw_lines(text: Text, count: int) -> list[str]:
    """Real code with some TODOs, exports and decoys mixed in: often many of one kind and none of the other."""
    rng = text.rng
    lines = text.code(count)
    if text.chance(0.3):
        lines = lines[: count // 2] + text.code(count - count // 2)
    lines = [line for line in lines if not AMBIGUOUS.match(line)]
    kind = rng.random()
    todos, exports = rng.choice([0, 0, 1, 1, 2, 3]), rng.choice([0, 0, 1, 2, 3, 4])
    if kind < 0.2:
        todos, exports = rng.randint(0, 7), rng.randint(0, 11)
    elif kind < 0.4:
        todos, exports = rng.choice([(0, rng.randint(1, 12)), (rng.randint(1, 8), 0)])
    if kind < 0.3 or text.chance(0.12):
        lines = [line for line in lines if not TODO.search(line) and not exports_of(line)]
    stem = text.identifier() if text.chance(0.5) else ""
    insert_all(text, lines, [todo_line(text) for _ in range(todos)])
    insert_all(text, lines, draw_exports(text, exports, stem))
    insert_all(text, lines, [filled(text, text.pick(DECOYS), stem) for _ in range(rng.choice([0, 1, 2, 3]))])
    most = rng.choice([100, 120, 160])
    return [line for line in (clipped(text, line, most) for line in lines) if not AMBIGUOUS.match(line)]


def tail_line(text: Text, path: str, shown: int, total: int) -> str:
    return text.pick(
        [
            f"... {shown} of {total} lines shown; read {path}:FROM-TO for the rest",
            f"... {shown} of {total} lines shown; read {path}:FROM-TO for the rest",
            f"... {shown} of {total} lines shown",
            f"... {total - shown} more lines",
        ]
    )


def draw_outline(text: Text, path: str) -> Source:
    """Some lines of a long file: real numbers with gaps between them."""
    rng = text.rng
    wanted = rng.randint(4, 36)
    stem = text.identifier() if text.chance(0.5) else ""
    lines: list[str] = []
    for _ in range(4):
        code = text.pick(text.corpus.files)
        lines += [line for line in code if DECLARING.match(line) or TODO.search(line) or line.startswith("import")]
        if len(lines) >= wanted:
            break
    start = rng.randrange(max(1, len(lines) - wanted))
    lines = [line for line in lines[start : start + wanted] if not AMBIGUOUS.match(line)]
    insert_all(text, lines, [todo_line(text) for _ in range(rng.choice([0, 0, 1, 2, 3, 5]))])
    insert_all(text, lines, draw_exports(text, rng.choice([0, 1, 2, 4, 6, 9]), stem))
    total = rng.randint(len(lines) + 20, rng.choice([120, 300, 600, 2000]) + len(lines))
    numbers = sorted(rng.sample(range(1, total + 1), len(lines)))
    most = rng.choice([100, 120])
    numbered = [(number, clipped(text, line, most)) for number, line in zip(numbers, lines)]
    numbered = [(number, line) for number, line in numbered if not AMBIGUOUS.match(line)]
    return Source(numbered, tail_line(text, path, len(lines), total))


def draw_real(text: Text, path: str) -> Source:
    """A real file as the tool shows it, now and then with a TODO more."""
    files = text.corpus.modules if text.chance(0.7) else text.corpus.files
    lines = [line for line in text.pick(files) if not AMBIGUOUS.match(line)]
    if text.chance(0.6):
        start = text.rng.randrange(max(1, len(lines)))
        lines = lines[start : start + text.rng.randint(8, 90)]
    if text.chance(0.35):
        insert_all(text, lines, [todo_line(text) for _ in range(text.rng.choice([1, 1, 2, 3]))])
    return Source(*page(path, lines, text.pick(list(BUDGETS))))


def draw_source(text: Text, path: str, most: int) -> Source:
    """A file of up to `most` lines, or the outline of a longer one."""
    rng = text.rng
    if text.chance(0.75 if text.plain else 0.15):
        return draw_real(text, path)
    kind = rng.random()
    if kind < 0.22:
        return draw_outline(text, path)
    count = rng.randint(2, 16) if kind < 0.45 else rng.randint(10, 40) if kind < 0.8 else rng.randint(30, most)
    lines = draw_lines(text, min(count, most))
    first = 1 if text.chance(0.9) else rng.randint(2, 1500)
    tail = tail_line(text, path, len(lines), len(lines) + rng.randint(1, 900)) if text.chance(0.08) else ""
    return Source([(first + index, line) for index, line in enumerate(lines)], tail)
