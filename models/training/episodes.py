"""Conversations: a system message, a set of tools, one task or several."""

from .catalogue import FAMILIES
from .chat import TOOLS, Episode, Task, segments
from .handoff import AGENTS
from .text import Text

# Conversations whose names and files are such as people have; in the others much is random on purpose.
PLAIN_SHARE = 0.45
MOST_TASKS = 4
CANNOT = "I have no tool for that. My tools: "


def without_tool(tools: list[str]) -> str:
    """What the model says when no tool of its own can answer."""
    return f"{CANNOT}{', '.join(tools)}." if tools else "I have no tools."


def render(episode: Episode) -> str:
    return "".join(part for part, _ in segments(episode))


class Episodes:
    """Draws episodes, families by weight."""

    def __init__(self, text: Text) -> None:
        self.text = text

    def draw(self, family: str | None = None) -> Episode:
        """One conversation; with a family, one whose last task is of it."""
        text = self.text
        text.plain = text.chance(PLAIN_SHARE)
        tasks = self.tasks(family)
        while family is None and len(tasks) < MOST_TASKS and text.chance(0.04 if text.plain else 0.25):
            tasks += self.tasks(None)
        needed = {call.tool for task in tasks for call in task.calls}
        missing = family is None and len(tasks) == 1 and bool(needed) and text.chance(0.02)
        tools = self.tools(needed, tasks[0].calls[0].tool if missing else None)
        cannot = without_tool(tools)
        if missing:
            tasks = [Task("impossible", tasks[0].request, [], cannot)]
        tasks = [t if t.family != "impossible" else Task(t.family, t.request, [], cannot) for t in tasks]
        return Episode(self.system(), tools, tasks)

    def tasks(self, family: str | None) -> list[Task]:
        names = list(FAMILIES)
        weights = [FAMILIES[name].weight for name in names]
        return FAMILIES[family or self.text.rng.choices(names, weights)[0]].draw(self.text)

    def tools(self, needed: set[str], missing: str | None) -> list[str]:
        """All tools, or some that do for the tasks; always in the order of the table."""
        if missing:
            return [tool for tool in TOOLS if tool != missing and self.text.chance(0.7)]
        if self.text.chance(0.5):
            return [tool for tool in TOOLS if tool != "recall" or tool in needed or self.text.chance(0.3)]
        return [tool for tool in TOOLS if tool in needed or self.text.chance(0.5)]

    def system(self) -> str:
        text = self.text
        if text.chance(0.1 if text.plain else 0.2):
            return "You are a coding agent."
        name = text.pick(AGENTS) if text.chance(0.7) else text.letters(2, 10).lower()
        system = f"You are {name}, a coding agent."
        if text.chance(0.15 if text.plain else 0.3):
            sentences = [text.phrase(3, 12).capitalize() + "." for _ in range(text.rng.randint(1, 4))]
            system += text.pick([" ", " ", "\n", "\n\n"]) + " ".join(sentences)
        return system
