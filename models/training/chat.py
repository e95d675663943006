"""How a conversation is written down: the chat template that the GGUF carries, and the same in Python.

The template is ChatML with Hermes-style tool calls; it renders the tools as one short line in the first system
message. A later system message stands where it was said: that is how another agent takes a conversation over.
"""

import json
from dataclasses import dataclass

TOOLS = {
    "read_file": ("path",),
    "list_dir": ("path",),
    "search": ("query",),
    "edit_file": ("path", "find", "replace"),
    "run": ("command",),
    "recall": ("query",),
}

TEMPLATE = """{%- set ns = namespace(sys='You are a coding agent.') -%}{%- if messages and messages[0].role == 'system' -%}{%- set ns.sys = messages[0].content -%}{%- endif -%}<|im_start|>system
{{ ns.sys }}{% if tools %} Tools: {% for t in tools %}{{ t.function.name }}({{ t.function.parameters.properties.keys() | join(', ') }}){{ '.' if loop.last else ', ' }}{% endfor %}{% endif %}<|im_end|>
{% for m in messages -%}{%- if m.role == 'system' and loop.first -%}{%- elif m.role == 'tool' -%}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% elif m.role == 'assistant' and m.tool_calls -%}<|im_start|>assistant
{% for c in m.tool_calls -%}<tool_call>{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments if c.function.arguments is string else c.function.arguments | tojson }}}</tool_call>{%- endfor -%}<|im_end|>
{% else -%}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endif -%}{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}"""


@dataclass(frozen=True)
class Call:
    """One tool call and what the tool answered."""

    tool: str
    arguments: dict[str, str]
    result: str

    def text(self) -> str:
        body = json.dumps({"name": self.tool, "arguments": self.arguments}, ensure_ascii=False)
        return f"<tool_call>{body}</tool_call>"


@dataclass(frozen=True)
class Task:
    """A request, the tool calls it takes, and the right answer; before it perhaps a new agent's system message."""

    family: str
    request: str
    calls: list[Call]
    answer: str
    instruction: str = ""


@dataclass(frozen=True)
class Episode:
    """A conversation: the system message with its tools, then one task or several."""

    system: str
    tools: list[str]
    tasks: list[Task]


Segment = tuple[str, bool]


def segments(episode: Episode) -> list[Segment]:
    """The conversation as (text, is it the model's to write) in order."""
    tools = ", ".join(f"{name}({', '.join(TOOLS[name])})" for name in episode.tools)
    system = episode.system + (f" Tools: {tools}." if tools else "")
    pending = f"<|im_start|>system\n{system}<|im_end|>\n"
    parts: list[Segment] = []
    for task in episode.tasks:
        if task.instruction:
            pending += f"<|im_start|>system\n{task.instruction}<|im_end|>\n"
        pending += f"<|im_start|>user\n{task.request}<|im_end|>\n<|im_start|>assistant\n"
        for call in task.calls:
            parts += [(pending, False), (call.text() + "<|im_end|>", True)]
            pending = (
                f"\n<|im_start|>user\n<tool_response>\n{call.result}\n</tool_response><|im_end|>\n"
                "<|im_start|>assistant\n"
            )
        parts += [(pending, False), (task.answer + "<|im_end|>", True)]
        pending = "\n"
    return parts
