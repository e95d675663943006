"""The many ways in which people ask for the same thing."""

from .text import Text

WHERE = """Where is {x} defined?|Find the definition of {x}.|Which file defines {x}?|Locate {x}.|Where is {x} declared?
Where does {x} come from?|Find where {x} is defined.|Show me where {x} is defined.|In which file is {x} defined?
Where can I find {x}?|Where do we define {x}?|Point me to the definition of {x}.|Which file declares {x}?
Where is the definition of {x}?|Where is the class {x} defined?|Where is the function {x} defined?
Where is {x} implemented?|Find {x}.|Tell me where {x} is defined."""
TODOS = """List the TODO comments in {f}.|What is left to do in {f}?|Show every TODO or FIXME of {f}.|Any open TODOs in {f}?
List the TODOs of {f}.|Find TODO and FIXME comments in {f}.|List the TODOs in {f}.|Which TODOs are in {f}?
What TODOs does {f} have?|List all TODO and FIXME comments in {f}.|Show me the open TODOs of {f}.|Are there TODOs in {f}?
What remains to be done in {f}?|Collect the TODO comments of {f}."""
EXPORTS = """What does {f} export?|List the exports of {f}.|Which symbols does {f} export?|Summarize the public API of {f}.
Exports of {f}?|What is exported by {f}?|Which names does {f} export?|Show the exports of {f}.|List what {f} exports.
What is the public API of {f}?|Tell me what {f} exports.|Name everything that {f} exports.|What are the exports of {f}?"""
RENAME = """Rename {a} to {b} in {f}.|In {f}, replace {a} with {b}.|Change the name {a} to {b} in {f}.
In {f}, rename {a} to {b}.|Replace {a} with {b} in {f}.|Rename {a} in {f} to {b}.|Change {a} to {b} in {f}.
In {f} change {a} to {b}.|Replace every {a} in {f} by {b}.|Substitute {b} for {a} in {f}."""
RUN = """Run {c} and tell me the result.|Does {c} pass?|Please run {c}.|Run {c}.|Run {c} and report.|Execute {c}.
What does {c} say?|Run {c} and tell me whether it passes.|Check whether {c} passes.|Can you run {c}?
Run {c} and summarize the outcome.|Does {c} succeed?|Try {c} and tell me how it ends."""
LIST = """What is in {d}?|List the files in {d}.|Show me the folder {d}.|List {d}.|What files are in {d}?|List the folder {d}.
What does {d} contain?|Which files are in {d}?|Show the contents of {d}.|List everything in {d}.|What is in the folder {d}?
List the contents of {d}."""
COUNT = """How many lines mention {x}?|How often does {x} occur?|Count the uses of {x}.|How many times is {x} used?
Count the matches of {x}.|How many matches does {x} have?|How often is {x} used?"""
TODOS_OF_DEFINER = """List the TODOs of the file that defines {x}.|Which TODOs are in the file where {x} is defined?
Find the file that defines {x} and list its TODO comments.|What is left to do in the file that defines {x}?
Search for {x} and list the TODOs of its file."""
EXPORTS_OF_DEFINER = """What else does the file that defines {x} export?|List the exports of the file that defines {x}.
Find the file that defines {x} and list its exports.|What does the file with the definition of {x} export?
Search for {x} and tell me what its file exports."""
REPEAT = (
    """Repeat: {p}|Repeat after me: {p}|Say exactly: {p}|Echo: {p}|Answer with this text alone: {p}|Copy this: {p}"""
)
IMPOSSIBLE = """What is the weather in {w}?|Who won the {w} game?|Tell me a joke about {w}.|What time is it in {w}?
Write a poem about {p}.|Book a flight to {w}.|Send a mail to {w} about {p}.|Translate "{p}" into French.
What do you think of {w}?|Why is {p}?|Explain {p}.|How old is {w}?|Open {w} in a browser.|Play some music.|{p}?
Call {w} and ask about {p}.|What is {n} times {n}?|Who are you going to vote for?|Deploy {w} to production.
Download {w} from the internet.|Remember that {p}.|What is the meaning of {w}?|Draw a picture of {w}.|Order {n} of {w}."""


def options(block: str) -> list[str]:
    return [option for line in block.split("\n") for option in line.split("|")]


TABLE = {
    "where": options(WHERE),
    "todo": options(TODOS),
    "exports": options(EXPORTS),
    "rename": options(RENAME),
    "run": options(RUN),
    "list": options(LIST),
    "count": options(COUNT),
    "todosOfDefiner": options(TODOS_OF_DEFINER),
    "exportsOfDefiner": options(EXPORTS_OF_DEFINER),
    "repeat": options(REPEAT),
    "impossible": options(IMPOSSIBLE),
}


def quoted(text: Text, name: str) -> str:
    return text.pick([name, name, name, f"`{name}`", f"'{name}'", f'"{name}"'])


def request(text: Text, family: str, **names: str) -> str:
    """One wording, with the small liberties people take."""
    wording = text.pick(TABLE[family])
    if text.chance(0.12) and wording[0] != "{":
        wording = wording[0].lower() + wording[1:]
    if text.chance(0.15):
        wording = wording.rstrip(".?")
    asked = wording.format(**names)
    if text.chance(0.06) and wording[0] != "{":
        asked = text.pick(["Please ", "Now ", "OK, ", "Can you help me? ", "Hi, ", "Next: "]) + asked
    return asked
