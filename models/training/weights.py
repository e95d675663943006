"""The model as a GGUF file, and back.

python -m models.training.weights CHECKPOINT FILE.gguf --work .cache/training [--type q8_0]
"""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter

from .chat import TEMPLATE
from .model import Model, Shape
from .tokenizer import CONTROL, MARKERS

BLOCK_TENSORS = {
    "attn_norm": "attention_norm",
    "attn_q": "attention.q",
    "attn_k": "attention.k",
    "attn_v": "attention.v",
    "attn_output": "attention.o",
    "ffn_norm": "ffn_norm",
    "ffn_gate": "gate",
    "ffn_up": "up",
    "ffn_down": "down",
}
# Says that texts are to be given as lower-case words, names taken apart.
READS_WORDS = "amk.embedding.words"
FILE_TYPES = {"f16": (GGMLQuantizationType.F16, 1), "q8_0": (GGMLQuantizationType.Q8_0, 7)}


def tensor_names(layers: int) -> dict[str, str]:
    """GGUF tensor name → parameter name."""
    names = {"token_embd.weight": "embedding.weight", "output_norm.weight": "norm.weight"}
    for layer in range(layers):
        for theirs, ours in BLOCK_TENSORS.items():
            names[f"blk.{layer}.{theirs}.weight"] = f"blocks.{layer}.{ours}.weight"
    return names


def load_gguf(path: Path) -> Model:
    """A model with the weights of a GGUF file that this module wrote, dequantised."""
    reader = GGUFReader(str(path))

    def field(name: str) -> int:
        return int(reader.fields[f"llama.{name}"].contents())

    shape = Shape(
        vocabulary=len(reader.fields["tokenizer.ggml.tokens"].contents()),
        width=field("embedding_length"),
        layers=field("block_count"),
        heads=field("attention.head_count"),
        kv_heads=field("attention.head_count_kv"),
        head=field("rope.dimension_count"),
        feed_forward=field("feed_forward_length"),
        context=field("context_length"),
        rope_base=float(reader.fields["llama.rope.freq_base"].contents()),
    )
    names = tensor_names(shape.layers)
    state = {
        names[tensor.name]: torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy())
        for tensor in reader.tensors
    }
    model = Model(shape)
    model.load_state_dict(state)
    return model


def write_shape(writer: GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)


def token_type(token: str) -> int:
    if token in CONTROL:
        return gguf.TokenType.CONTROL
    if token in MARKERS:
        return gguf.TokenType.USER_DEFINED
    return gguf.TokenType.UNUSED if token.startswith("<unused") else gguf.TokenType.NORMAL


def write_tokenizer(writer: GGUFWriter, tokenizer: Path, size: int) -> None:
    bpe = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]
    tokens = sorted(bpe["vocab"], key=bpe["vocab"].__getitem__)
    tokens += [f"<unused{index}>" for index in range(size - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([token_type(token) for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in bpe["merges"]])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write_gguf(
    model: Model, tokenizer: Path, target: Path, file_type: str = "q8_0", name: str = "amk-embedded", pooled: bool = False
) -> None:
    """Writes the file beside its name first: a reader never sees half a model. `pooled` makes it an embedder."""
    kind, file_type_id = FILE_TYPES[file_type]
    partial = target.with_suffix(".partial")
    writer = GGUFWriter(str(partial), "llama")
    writer.add_name(name)
    if pooled:
        writer.add_pooling_type(gguf.PoolingType.MEAN)
        writer.add_bool(READS_WORDS, True)
    writer.add_license("mit")
    writer.add_file_type(file_type_id)
    write_shape(writer, model.shape)
    write_tokenizer(writer, tokenizer, model.shape.vocabulary)
    state = model.state_dict()
    for theirs, ours in tensor_names(model.shape.layers).items():
        values = state[ours].float().numpy().astype(np.float32)
        if values.ndim == 1:
            writer.add_tensor(theirs, values)
        else:
            writer.add_tensor(theirs, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--work", type=Path, default=Path(".cache/training"))
    parser.add_argument("--type", choices=FILE_TYPES, default="q8_0")
    args = parser.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
    model = Model(Shape(**saved["shape"]))
    model.load_state_dict(saved["model"])
    write_gguf(model, args.work / "tokenizer.json", args.target, args.type)
    print(f"{args.target}: {args.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
