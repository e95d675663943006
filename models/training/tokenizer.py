"""The byte-level BPE tokenizer: read from a GGUF file, or trained on episodes.

    python -m models.training.tokenizer --work .cache/training [--from-gguf models/amk-embedded.gguf]

Writes `tokenizer.json`. A model keeps the tokenizer it was trained with: take it from the GGUF to train further.
"""

import argparse
from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKERS = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
SPECIAL = CONTROL + MARKERS


def with_byte_level(bpe: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def from_gguf(path: Path) -> Tokenizer:
    """The tokenizer inside a GGUF file, token ids unchanged."""
    fields = GGUFReader(str(path)).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = fields["tokenizer.ggml.merges"].contents()
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = with_byte_level(models.BPE(vocab=vocabulary, merges=[tuple(m.split(" ")) for m in merges]))
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return tokenizer


def trained_on(texts: list[str]) -> Tokenizer:
    """A new tokenizer, trained on rendered episodes."""
    tokenizer = with_byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def pieces_of(tokenizer: Tokenizer) -> list[str]:
    """Every token that is text on its own: the material of random token sequences."""
    decoded = (tokenizer.decode([index]) for index in range(len(SPECIAL), tokenizer.get_vocab_size()))
    return [piece for piece in decoded if piece and "\ufffd" not in piece and piece.isprintable()]


def main() -> None:
    from .episodes import Episodes, render
    from .text import Text, load_corpus

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--from-gguf", type=Path)
    parser.add_argument("--episodes", type=int, default=15_000)
    args = parser.parse_args()
    if args.from_gguf:
        tokenizer = from_gguf(args.from_gguf)
    else:
        episodes = Episodes(Text(load_corpus(args.work, "train"), [], seed=1))
        tokenizer = trained_on([render(episodes.draw()) for _ in range(args.episodes)])
    tokenizer.save(str(args.work / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
