"""Counts what the model card reports: what training reads, how long stories are, and what simple guessers would pay.

python3 corpus_report.py
"""

import itertools
import math
from collections import Counter

import numpy
import torch

import checkpoint
from data import HELD_OUT_STORIES, IGNORE, instruct_examples, pretraining_examples
from tokenizer import VOCABULARY, load as load_tokenizer
from train import NANO, PLANS, training_batches


def read_in_training(stage, processor):
    """Texts, tokens, predicted tokens and a count of every token in the batches of a stage."""
    texts = tokens = predicted = 0
    counts = numpy.zeros(VOCABULARY, dtype=numpy.int64)
    for batch in training_batches(stage, processor):
        real = batch[2] > 0
        texts += int(batch[2].max(axis=1).sum())
        tokens += int(real.sum())
        predicted += int((batch[1] != IGNORE).sum())
        counts += numpy.bincount(batch[0][real].astype(int), minlength=VOCABULARY)
    return texts, tokens, predicted, counts


def lengths(processor, length, count=2000):
    mix = {"lists": (1.0, 0.0, 0.0, 0.0), "short": (0.0, 1.0, 0.0, 0.0), "drill": (0.0, 0.0, 1.0, 0.0), "usual": (0.0, 0.0, 0.0, 0.0),
           "long": (0.0, 0.0, 0.0, 1.0)}[length]
    examples = itertools.islice(pretraining_examples(processor, HELD_OUT_STORIES, mix, (0.9, 7)), count)
    sizes = sorted(len(tokens) for tokens, _, _ in examples)
    return [sizes[0], sizes[count // 10], sizes[count // 2], sizes[count * 9 // 10], sizes[-1]]


@torch.no_grad()
def held_out_loss(model, processor, examples, kept=lambda weight: True):
    """Mean loss in nats over the held-out examples, one example at a time, in float32."""
    total = count = 0
    for tokens, targets, weights in examples:
        wanted = [i for i, target in enumerate(targets) if target != IGNORE and kept(weights[i])]
        if not wanted:
            continue
        logits = model(torch.tensor([tokens]))[0, wanted]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor([targets[i] for i in wanted]), reduction="sum"))
        count += len(wanted)
    return total / count, count


def main():
    torch.set_num_threads(2)
    processor = load_tokenizer()
    for stage in PLANS:
        texts, tokens, predicted, counts = read_in_training(stage, processor)
        print(f"{stage}: {texts} texts, {tokens} tokens, {predicted} predicted, {int((counts > 0).sum())} pieces in use")
        if stage == "pretrain":
            unigram = numpy.log((counts + 1) / (counts + 1).sum())
    for length in ("lists", "short", "drill", "usual", "long"):
        print(f"{length}, tokens: least, 10 %, median, 90 %, most:", lengths(processor, length))
    texts = list(itertools.islice(pretraining_examples(processor, HELD_OUT_STORIES, (0.0, 0.0, 0.0, 0.0), (0.9, 7), 5.0), 400))
    flat = [target for _, targets, _ in texts for target in targets if target != IGNORE]
    print(f"held-out stories: uniform {math.log(VOCABULARY):.4f}, unigram {-unigram[flat].mean():.4f} nats a token")
    model = checkpoint.load(NANO)
    for name, kept in (("all tokens", lambda w: True), ("story tokens", lambda w: w == 1.0), ("quiz answers", lambda w: w > 1.0)):
        print(name, "nats a token: %.4f over %d tokens" % held_out_loss(model, processor, texts, kept))


if __name__ == "__main__":
    main()
