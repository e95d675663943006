"""Every family of tasks with its share of the training data."""

from .families import SINGLE, Family
from .handoff import handoff
from .lookups import key_value, recall, remembered

LEVELS = 5
FAMILIES: dict[str, Family] = {
    **SINGLE,
    **{f"keyValue{levels}": Family(key_value(levels), 0.7) for levels in range(LEVELS)},
    "recall": Family(recall, 1.4),
    "remembered": Family(remembered, 0.6),
    "handoff": Family(handoff, 1.8),
}
