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
FOLLOW = """What is the value of {k}? If the value is a key too, follow it.|Look up {k}, and go on while the value is a key.
Follow {k} to its last value.|What does {k} lead to in the end?|Start at {k} and follow the values until one is no key.
Find the value of {k}; when that value is itself a key, look that one up as well.|Where does the chain of {k} end?
{k}: what is its final value?|Trace {k} through the pairs.|Resolve {k} completely.|Value of {k}, followed to the end?
Give the value for the key {k}. If it is a key itself, continue with it."""
DIRECT = """What is the value of {k}?|Look up {k}.|Which value does {k} have?|Value of {k}?|Give the value for the key {k}."""
PAIRS = """Here are key-value pairs:|Key-value pairs:|The pairs:|Keep these pairs in mind:|Some pairs, key first:|Data:
Below is a list of keys and values.|Use these pairs:|These are the pairs:|More pairs:|A table of keys and values:"""
FACT = """What is the {a} of {t}?|Tell me the {a} of {t}.|Which {a} does {t} have?|What was the {a} of {t}?|The {a} of {t}?
Do you remember the {a} of {t}?|What did we say about the {a} of {t}?|Remind me of the {a} of {t}.
I forgot the {a} of {t}. What is it?|Look up the {a} of {t}.|Can you recall the {a} of {t}?"""
RECALL = """What did we find out about {q}?|Recall {q}.|What do you know about {q}?|What was said about {q}?
What did the earlier notes say about {q}?|Search your memory for {q}.|Earlier we talked about {q}. What was it?
What have we seen of {q}?|Bring back what you know about {q}."""
REMEMBER = """Remember this: {s}|Note: {s}|{s}|Keep in mind: {s}|For later: {s}|Please remember that {s}|A note: {s}|{s} Got it?"""
PREVIOUS = """What did the last agent find?|Repeat the last finding.|What was the last answer?|Say again what was found.
What was found before?|Pass on the last result.|Sum up the work so far.|What is the result so far?|Report what was found.
Hand the last result to me.|What came out of it?"""
WHY_NOT = """Why not?|Why did that not work?|What went wrong?|What is the reason?|Why could you not do it?|What stopped you?"""
SAME_EXPORTS = """What does that file export?|And what does it export?|Which names does it export?|List the exports of that file.
Without reading it again: what does the file export?|From what was read: which symbols are exported?|And its exports?"""
SAME_TODOS = """Any TODOs in that file?|And its TODOs?|What is left to do in it?|List the TODO comments of that file.
Without reading it again: which TODOs does the file have?|From what was read: which TODO or FIXME comments are there?"""
ITS_EXPORTS = """What else does that file export?|Read that file and list its exports.|Open the file and tell me what it exports.
Read it: what does it export?|Now read the file that defines it and list the exports."""
ITS_TODOS = """Read that file and list its TODOs.|Open the file: any TODOs?|Read it and list the TODO comments.
Now read the file that defines it and list its TODO comments."""
RENAME_IT = """Rename it to {b} there.|Rename it to {b} in that file.|Change its name to {b} in the file that defines it.
Call it {b} in that file.|In that file, rename it to {b}."""
TAKE_OVER = """You go on with this work.|You take over from here.|The work above was done by another agent.
Use what was read so far.|Continue with the task below.|Everything above is known to you.|Another agent read the files.
You continue this conversation."""


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
    "follow": options(FOLLOW),
    "direct": options(DIRECT),
    "pairs": options(PAIRS),
    "fact": options(FACT),
    "recall": options(RECALL),
    "remember": options(REMEMBER),
    "previous": options(PREVIOUS),
    "whyNot": options(WHY_NOT),
    "sameExports": options(SAME_EXPORTS),
    "sameTodos": options(SAME_TODOS),
    "itsExports": options(ITS_EXPORTS),
    "itsTodos": options(ITS_TODOS),
    "renameIt": options(RENAME_IT),
    "takeOver": options(TAKE_OVER),
}


def quoted(text: Text, name: str) -> str:
    return text.pick([name, name, name, f"`{name}`", f"'{name}'", f'"{name}"'])


def request(text: Text, family: str, **names: str) -> str:
    """One wording, with the small liberties people take."""
    wording = text.pick(TABLE[family])
    if text.plain and text.chance(0.7):
        return wording.format(**names)
    if text.chance(0.12) and wording[0] != "{":
        wording = wording[0].lower() + wording[1:]
    if text.chance(0.15):
        wording = wording.rstrip(".?")
    asked = wording.format(**names)
    if text.chance(0.06) and wording[0] != "{":
        asked = text.pick(["Please ", "Now ", "OK, ", "Can you help me? ", "Hi, ", "Next: "]) + asked
    return asked
