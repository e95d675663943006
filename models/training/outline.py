"""A file as the read tool shows it: whole where it fits, else the lines that say most about it.

The rules are the tool's own (wasm-tools/read_file), so that what the model is trained and measured on is what it
gets: a budget of bytes, marks before exports before declarations, long lines cut.
"""

import re

LINE_CHARS = 160
BUDGETS = (1536, 1536, 1536, 2400)
MARK = re.compile(r"\b(?:TODO|FIXME)\b")
EXPORTING = re.compile(r"^\s*(?:module\.exports|exports\.|pub[ (]|__all__|export\b)")
DECLARING = re.compile(
    r"^\s*(?:(?:export|default|declare|async|abstract|public|private|protected|static|pub|readonly)\s+)*"
    r"(?:function\s*\*?|class|const|let|var|interface|type|enum|namespace|module|def|func|fn|struct|trait)\s+\w"
)
HEADING = re.compile(r"^#{1,6}\s")
OPENS_LIST = re.compile(r"^\s*export(?:\s+type)?\s*\{[^}]*$")

Numbered = tuple[int, str]


def cut(line: str) -> str:
    return line if len(line) <= LINE_CHARS else line[:LINE_CHARS] + "…"


def worth(lines: list[str]) -> list[int]:
    """What each line is worth in an outline: 0 a mark, 1 an export, 2 a declaration, 3 any other."""
    values: list[int] = []
    in_list = False
    for line in lines:
        exporting = in_list or bool(EXPORTING.match(line))
        declaring = bool(DECLARING.match(line) or HEADING.match(line))
        values.append(0 if MARK.search(line) else 1 if exporting else 2 if declaring else 3)
        in_list = "}" not in line if in_list else bool(OPENS_LIST.match(line))
    return values


def size(number: int, line: str) -> int:
    return len(f"{number}: {cut(line)}\n".encode())


def page(path: str, lines: list[str], budget: int) -> tuple[list[Numbered], str]:
    """The numbered lines that are shown, and the last line that says what is left out."""
    if sum(size(n, line) for n, line in enumerate(lines, 1)) - 1 <= budget:
        return [(n, cut(line)) for n, line in enumerate(lines, 1)], ""
    values = worth(lines)
    most = room = budget - len(rest(path, len(lines), len(lines)).encode())
    chosen: set[int] = set()
    for value in range(4):
        if value == 3 and room <= most - most // 4:
            break
        for number, line in enumerate(lines, 1):
            if values[number - 1] != value:
                continue
            if size(number, line) > room:
                break
            chosen.add(number)
            room -= size(number, line)
    return [(n, cut(lines[n - 1])) for n in sorted(chosen)], rest(path, len(chosen), len(lines))


def rest(path: str, shown: int, total: int) -> str:
    return f"... {shown} of {total} lines shown; read {path}:FROM-TO for the rest"
