"""Results of the search tool: `path:line: text` a line, definitions first, long lines cut.

A hit is any line that holds the name, also inside a longer name: only the definition of the very name answers.
"""

from dataclasses import dataclass

from .text import Text

DEFINITIONS = [
    "export function {x}({b}: string): void {{",
    "export function {x}<T>({b}: T): {c} {{",
    "function {x}() {{",
    "function* {x}({b}) {{",
    "export class {x} {{",
    "class {x} extends {b} {{",
    "export abstract class {x} implements {b} {{",
    "export const {x} = {n};",
    "export const {x}: {b} = {{",
    "const {x} = ({b}) => {{",
    "let {x} = {n};",
    "var {x} = function ({b}) {{",
    "export interface {x} {{",
    "interface {x} extends {b} {{",
    "export type {x} = {b};",
    "type {x} = (typeof {b})[number];",
    "export enum {x} {{",
    "export const enum {x} {{",
    "export async function {x}({b}) {{",
    "async {x}({b}: string): Promise<{c}> {{",
    "{x}({b}: {c}): void {{",
    "private {x}({b}: {c}): {d} {{",
    "export function {x}(x: number): number {{ return Math.round(x); }}",
    "def {x}({b}):",
    "def {x}(self, {b}: str) -> None:",
    "class {x}:",
    "func {x}({b} string) error {{",
    "func (s *{b}) {x}() error {{",
    "type {x} struct {{",
    "pub fn {x}({b}: &str) -> {c} {{",
    "pub struct {x} {{",
    "static int {x}({b} *p) {{",
    "public static void {x}({b} value) {{",
    "declare function {x}({b}: {c}): {d};",
    "namespace {x} {{",
]
USES = [
    "{x}({b});",
    "await {x}({b}, {n});",
    "import {{ {x} }} from './{c}.js';",
    'import {{ {b}, {x} }} from "../{c}.js";',
    "import type {{ {x} }} from '{c}';",
    "const {b} = {x}({c}, {n});",
    "const {b} = new {x}({c});",
    "// see {x}",
    "* {{@link {x}}} {b}",
    "return rows.reduce((a, b) => a + {x}(b), 0);",
    "await this.{b}.{x}();",
    "expect({x}({n})).toBe({n});",
    "{b}: {x};",
    "export {{ {x} }} from './{c}.js';",
    "function {b}({c}: {x}): void {{",
    "export function {b}({c}: readonly {x}[]): {x} {{",
    "class {b} extends {x} {{",
    "if ({x} === {b}) return {n};",
    "from {c} import {x}",
    "test('{x} {b}', () => {{",
    "throw new {x}('{b}', `{c}`);",
    "this.{x} = {b};",
    "{c}.{x}({b}, {n}),",
    "export type {b} = {x} | {c};",
    "readonly {b}: {x} | undefined;",
]


@dataclass(frozen=True)
class Hits:
    """What a search showed; `defined` holds the place of the definition where there is one."""

    shown: str
    count: int
    files: list[str]
    defined: tuple[str, int] | None


def filled(text: Text, form: str, name: str) -> str:
    parts = {key: text.identifier() for key in "bcd"}
    line = form.format(x=name, n=text.rng.randint(0, 999), **parts)
    if text.chance(0.2):
        line += f" // {text.phrase()}"
    return line if len(line) <= 100 else line[:100] + text.pick(["", "…"])


def longer(text: Text, name: str) -> str:
    """A different name that contains this one."""
    capital = name[:1].upper() + name[1:]
    return text.pick(
        [name + text.pick(["Error", "s", "Options", "2", "Map"]), text.word() + capital, f"{name}_{text.word()}"]
    )


def draw_paths(text: Text, count: int) -> list[str]:
    """Files of one project: most lie in the same few folders, so that their paths begin alike."""
    root = text.folder_part()
    folders = [f"{root}/{text.folder_part()}" for _ in range(text.rng.randint(1, 3))] + [root]
    if text.chance(0.25):
        return [text.path() for _ in range(count)]
    return [f"{text.pick(folders)}/{text.file_name()}" for _ in range(count)]


def draw_hits(text: Text, name: str, most: int = 12, found: bool | None = None) -> Hits:
    """Up to `most` lines of hits. `found` forces or forbids a definition among them."""
    rng = text.rng
    count = min(most, rng.choice([1, 1, 2, 2, 3, 4, 5, 6, 8, 10, 12, 12]))
    known = draw_paths(text, rng.randint(1, max(1, count * 2 // 3)))
    if found is None:
        found = not text.chance(0.06)
    hits: list[tuple[str, int, str]] = []
    for _ in range(count - 1 if found else count):
        other = longer(text, name) if text.chance(0.15) else name
        forms = DEFINITIONS if other != name and text.chance(0.6) else USES
        hits.append(
            (text.pick(known), rng.randint(1, rng.choice([60, 300, 2000])), filled(text, text.pick(forms), other))
        )
    defined: tuple[str, int] | None = None
    if found:
        defined = (text.pick(known), rng.randint(1, rng.choice([60, 300, 2000])))
        hits.append((*defined, filled(text, text.pick(DEFINITIONS), name)))
    rng.shuffle(hits)
    if text.chance(0.6):
        hits.sort(key=lambda hit: (hit[0], hit[1]))
    if defined and text.chance(0.8):
        hits.sort(key=lambda hit: (hit[0], hit[1]) != defined)
    shown = "\n".join(f"{path}:{number}: {line.strip()}" for path, number, line in hits)
    total = len(hits)
    if len(hits) >= 8 and text.chance(0.4):
        total += rng.randint(1, 200)
        shown += f"\n... {len(hits)} of {total} matches shown"
    return Hits(shown, total, list(dict.fromkeys(path for path, _, _ in hits)), defined)
