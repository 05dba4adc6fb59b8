"""Trains the tokenizer the way Gemma's is made: sentencepiece BPE with byte fallback, split digits, no dummy prefix space.

Special ids are Gemma's: pad 0, eos 1, bos 2, unk 3, <mask> 4, <2mass> 5, [@BOS@] 6, <unused0> to <unused98> 7 to 105,
<start_of_turn> 106, <end_of_turn> 107, "\\n" 108 and "\\n\\n" 109; then 256 bytes, then the pieces that are learned.
"""

import os
import sys

import sentencepiece

from chat import chat_texts
from stories import pretraining_text

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, "..", "tokenizer.model")
VOCABULARY = 2048
PAD, EOS, BOS, UNK, START_OF_TURN, END_OF_TURN, NEWLINE = 0, 1, 2, 3, 106, 107, 108


def special_pieces():
    return (["<mask>", "<2mass>", "[@BOS@]"] + [f"<unused{i}>" for i in range(99)]
            + ["<start_of_turn>", "<end_of_turn>", "\n", "\n\n"])


def train(folder, stories=20000):
    text = [pretraining_text(seed) for seed in range(1, stories)] + list(chat_texts(range(1, stories // 2)))
    lines = [line for entry in text for line in entry.split("\n") if line]
    # Every printable ASCII character gets a piece of its own, so that ordinary typed text needs few byte pieces.
    lines += ["".join(chr(code) for code in range(33, 127))]
    os.chdir(folder)  # the model remembers the path of its corpus: let it be a plain name
    with open("corpus.txt", "w") as file:
        file.write("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input="corpus.txt", model_prefix="tokenizer", model_type="bpe", vocab_size=VOCABULARY, character_coverage=1.0,
        byte_fallback=True, split_digits=True, add_dummy_prefix=False, remove_extra_whitespaces=False,
        normalization_rule_name="identity", allow_whitespace_only_pieces=True, max_sentence_length=100000,
        user_defined_symbols=special_pieces(), pad_id=PAD, eos_id=EOS, bos_id=BOS, unk_id=UNK, pad_piece="<pad>",
        eos_piece="<eos>", bos_piece="<bos>", unk_piece="<unk>", hard_vocab_limit=True,
        required_chars="".join(chr(code) for code in range(33, 127)), num_threads=2)
    return os.path.join(folder, "tokenizer.model")


def load(path=MODEL):
    processor = sentencepiece.SentencePieceProcessor()
    processor.Load(path)
    return processor


def check(processor):
    """The ids are Gemma's, and text survives the way there and back."""
    assert [processor.PieceToId(piece) for piece in ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<2mass>", "[@BOS@]",
            "<unused0>", "<unused98>", "<start_of_turn>", "<end_of_turn>", "\n", "\n\n")] == [0, 1, 2, 3, 4, 5, 6, 7, 105, 106, 107, 108, 109]
    assert processor.GetPieceSize() == VOCABULARY
    for seed in range(50):
        text = pretraining_text(seed)
        assert processor.DecodeIds(processor.EncodeAsIds(text)) == text
    odd = "  Zwei  Räume,\t3.14 = π, 日本 <b> 🙂 "
    assert processor.DecodeIds(processor.EncodeAsIds(odd)) == odd


if __name__ == "__main__":
    folder = sys.argv[1] if len(sys.argv) > 1 else "/tmp"
    made = train(folder)
    check(load(made))
    os.replace(made, MODEL)
    os.replace(made[:-6] + ".vocab", os.path.join(folder, "nano.vocab"))
    print("tokenizer written to", os.path.normpath(MODEL))
