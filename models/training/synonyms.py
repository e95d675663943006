"""Words that programmers use for one another: what a paraphrased question says instead of the code's own words."""

GROUPS = """get fetch obtain retrieve acquire|read load import|write save store persist dump|
delete remove drop erase discard|create make build construct generate produce|update change modify alter edit|
find search look locate seek|show display render draw present paint|hide conceal|start begin launch boot|
stop end halt terminate finish|close shut|open unlock|send emit dispatch transmit post|receive accept get|
parse interpret decode analyse|format print stringify serialize encode|check verify validate test ensure|
compare match diff|sort order arrange rank|filter select pick choose|merge join combine unite concat|
split divide separate break|copy clone duplicate replicate|move transfer shift|rename relabel|count number tally|
sum total add aggregate|compute calculate evaluate derive|convert transform translate map cast|
wait pause sleep delay|resume continue proceed|retry repeat again|cancel abort|allow permit grant authorize|
deny refuse reject forbid block|connect attach link bind|disconnect detach unlink|register enroll subscribe|
unregister unsubscribe|enable activate|disable deactivate|init initialize setup prepare|reset clear flush empty|
cleanup dispose destroy release free|lock acquire|expand grow enlarge|shrink reduce compress|
trim strip cut truncate clip|append push add|insert put place|extract pull|install deploy|
run execute perform invoke call|schedule plan|handle process treat|log record note trace|
listen observe watch monitor|notify inform alert tell|throw raise|catch rescue|escape quote wrap enclose|
hash digest fingerprint|encrypt cipher|list enumerate|scan walk traverse visit iterate|
error failure fault exception problem|message text note|file document|folder directory|path location route|
name identifier label title|id key|value content data|user person account member|session login|
password secret credential|config configuration setting option preference|parameter argument param arg|
default standard|result outcome output|input entry|request query ask|response reply answer|server host backend|
client frontend|network connection socket|address url uri link|time clock moment|date day|timeout deadline|
duration length span|size amount extent count|limit maximum bound cap max|minimum least min|
index position offset|start beginning first|end last final|line row column field|table grid|list array sequence|
map dictionary|set collection group|tree hierarchy|node vertex|edge link graph network|child descendant|
parent ancestor|root top|item element entry|queue backlog|stack pile|cache buffer memory|
block chunk piece segment part|page sheet|event signal|listener handler callback subscriber|
state status condition|flag switch|mode kind type variant|version revision release|change difference delta|
history past|task job work|thread worker|process program|command instruction|tool utility helper|
module package library|class category|function method routine|string text|character letter char|word term|
digit figure|color colour|shape outline form|image picture|icon symbol|button control|window pane view|
panel sidebar|dialog popup prompt|mouse pointer cursor|screen display|theme style appearance|font typeface|
width breadth|model schema template pattern|rule policy|permission right privilege|test spec check|
sample example|random arbitrary|unique distinct empty blank|valid correct legal|invalid wrong illegal|
old stale expired outdated|new fresh recent|current present active next following|previous prior last|
temporary temp transient|remote distant|public exported|private internal async background|fast quick|safe secure|
missing absent lacking|duplicate repeated double|hidden invisible price cost|money amount|order purchase|
customer client buyer|invoice bill|tax duty|discount rebate|balance remainder payment|shop store|
product article goods|mail email letter|country nation|city town|language tongue|weather climate"""
SYNONYMS: dict[str, list[str]] = {}
for group in GROUPS.replace("\n", "").split("|"):
    words = group.split()
    for word in words:
        SYNONYMS.setdefault(word, []).extend(other for other in words if other != word)


def stem_of(word: str) -> tuple[str, str]:
    """(a word of the table, the ending that was on it), or the word itself."""
    for ending in ("", "s", "es", "ed", "d", "ing", "er", "r"):
        stem = word.removesuffix(ending)
        if word.endswith(ending) and stem in SYNONYMS:
            return stem, ending
    return word, ""
