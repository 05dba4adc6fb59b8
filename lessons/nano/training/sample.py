"""Lets the models speak: continuations, next-token guesses, chats.

python3 sample.py                   the samples of the model card
python3 sample.py "Tom gave"        continue this text (pretrained model)
"""

import sys

import torch

import checkpoint
from chat import prompt
from evaluate import greedy
from tokenizer import BOS, END_OF_TURN, EOS, load as load_tokenizer
from train import INSTRUCT, NANO

GUESSES = ["Tom gave the ball to Anna. Now the ball belongs to", "Tom gave the ball to Anna. Now the ball belonged to",
           "Lily had a red ball. Lily gave the ball to Ben. Then Ben gave the ball to Mia. Now the ball belongs to",
           "Tom had three apples. Anna gave Tom two more apples. Now Tom had"]
BEGINNINGS = ["Once upon a time, there was a girl named", "It was a snowy day.", "Anna and Tom were good friends."]
CHATS = [["Hello!"], ["Tell me a story about a cat."], ["What can you do?"],
         ["Tom had a red ball. He gave the ball to Anna. Anna put the ball under the bed.\n\nWhere is the ball?",
          "Who had the ball first?", "What color is the ball?"]]


@torch.no_grad()
def sampled(model, tokens, most=120, temperature=0.7, seed=1):
    """A continuation by chance, seeded."""
    source, tokens = torch.Generator().manual_seed(seed), list(tokens)
    start = len(tokens)
    while len(tokens) < start + most:
        probs = (model(torch.tensor([tokens]))[0, -1] / temperature).softmax(-1)
        token = int(torch.multinomial(probs, 1, generator=source))
        if token in (EOS, END_OF_TURN):
            break
        tokens.append(token)
    return tokens[start:]


@torch.no_grad()
def guesses(model, processor, text, count=5):
    probs = model(torch.tensor([[BOS] + processor.EncodeAsIds(text)]))[0, -1].softmax(-1)
    best = probs.topk(count)
    return ", ".join(f"{processor.IdToPiece(i).replace(chr(0x2581), ' ')!r} {p:.3f}" for p, i in zip(best.values.tolist(), best.indices.tolist()))


def main():
    torch.set_num_threads(2)
    processor, base = load_tokenizer(), checkpoint.load(NANO)
    say = lambda model, text, speak: processor.DecodeIds(speak(model, [BOS] + processor.EncodeAsIds(text)))
    greedily = lambda model, tokens: greedy(model, [tokens], most=160)[0]
    for text in sys.argv[1:] or GUESSES:
        print(f"{text}\n  next: {guesses(base, processor, text)}\n  greedy:{say(base, text, greedily)}\n")
    if sys.argv[1:]:
        return
    for text in BEGINNINGS:
        print(f"[temperature 0.7] {text}{say(base, text, sampled)}\n")
    chatty = checkpoint.load(INSTRUCT)
    for asks in CHATS:
        turns = []
        for ask in asks:
            turns.append(ask)
            turns.append(say(chatty, prompt(*turns), greedily))
            print(f"user:  {turns[-2]}\nmodel: {turns[-1]}\n")


if __name__ == "__main__":
    main()
