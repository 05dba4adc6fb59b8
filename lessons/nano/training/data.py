"""Rows of tokens for training: whole stories or chats, packed side by side until a row is full."""

import itertools

import numpy

from chat import END, chat, prompt, turn
from lists import list_chat, list_text
from recall import recall_example
from stories import pretraining_text
from tokenizer import BOS, EOS, NEWLINE, PAD

# Seeds never overlap: what is held out comes from ranges of its own.
PRETRAINING, LONG, CHATS = 0, 100_000_000, 200_000_000
RECALL = 800_000_000
HELD_OUT_STORIES, HELD_OUT_QUESTIONS, HELD_OUT_RECALL = 900_000_000, 950_000_000, 990_000_000
IGNORE = -100


def story_example(processor, text, emphasis=1.0):
    """Tokens of <bos> text <eos>, for each token the one to predict, and how much that prediction counts."""
    tokens = [BOS] + processor.EncodeAsIds(text) + [EOS]
    return tokens, tokens[1:] + [IGNORE], answer_weights(processor, tokens, emphasis)


def answer_weights(processor, tokens, emphasis):
    """`emphasis` for the predictions of what follows "Answer:", up to the end of the line, and 1 for all others."""
    answer, colon = processor.PieceToId("Answer"), processor.PieceToId(":")
    weights, inside = [], False
    for before, token in zip([PAD] + tokens, tokens):
        if before == answer and token == colon:
            inside = True
        elif token in (NEWLINE, NEWLINE + 1, EOS):
            inside = False
        weights.append(emphasis if inside else 1.0)
    return weights


def chat_example(processor, turns):
    """Tokens of a conversation; only what the model says, up to <end_of_turn>, is to be predicted."""
    tokens, targets = [BOS], [IGNORE]
    for i, text in enumerate(turns):
        if i % 2 == 0:
            asked = processor.EncodeAsIds(turn("user", text) + prompt())
            tokens, targets = tokens + asked, targets + [IGNORE] * len(asked)
        else:
            said, rest = processor.EncodeAsIds(text + END), processor.EncodeAsIds("\n")
            tokens += said + rest
            targets = targets[:-1] + said + [IGNORE] * (1 + len(rest))
    return tokens, targets, [1.0] * len(tokens)


def share(seed):
    """A number from 0 to 1 that looks random and depends on the seed only."""
    return seed * 2654435761 % 1000 / 1000


def recall_examples(processor, first_seed, most_between, length):
    """Words to find again, see recall.py; where `most_between` is None, lists, of which hardly more than the answers counts."""
    for seed in itertools.count(first_seed):
        yield (story_example(processor, list_text(seed), 20.0) if most_between is None else
               recall_example(processor, seed, most_between, length))


def pretraining_examples(processor, first_seed, mix, quizzes=(0.5, 4), emphasis=1.0):
    """`mix` is (share of lists, of short stories, of drills, of long stories); the rest is of usual length."""
    lists, short, drill, long = mix
    for seed in itertools.count(first_seed):
        part = share(seed)
        length = ("short" if part < lists + short else "drill" if part < lists + short + drill else
                  "long" if part >= 1 - long else "usual")
        text = list_text(seed) if part < lists else pretraining_text(LONG + seed if length == "long" else seed, length, *quizzes)
        yield story_example(processor, text, emphasis)


def instruct_examples(processor, first_seed, mix, easy=0.0):
    """`mix` is (share of stories of pretraining, so that the model does not forget how to tell, share of lists); the rest is chats."""
    stories, lists = mix
    for seed in itertools.count(first_seed):
        part = share(seed)
        if part < stories:
            yield story_example(processor, pretraining_text(seed))
        else:
            yield chat_example(processor, list_chat(seed) if part < stories + lists else chat(seed, easy))


def rows(examples, length, open_rows=32):
    """Packs examples into rows (tokens, targets, story number, weight) of the length; an example that is longer is left out."""
    waiting = []                                            # rows that still have room
    for tokens, targets, weights in examples:
        if len(tokens) > length:
            continue
        fitting = [row for row in waiting if len(row[0]) + len(tokens) <= length]
        row = max(fitting, key=lambda row: len(row[0])) if fitting else ([], [], [], [])
        if not fitting:
            waiting.append(row)
        number = row[2][-1] + 1 if row[2] else 1
        row[0].extend(tokens)
        row[1].extend(targets)
        row[2].extend([number] * len(tokens))
        row[3].extend(weights)
        if len(waiting) > open_rows:
            full = max(waiting, key=lambda row: len(row[0]))
            waiting.remove(full)
            yield filled(full, length)


def filled(row, length):
    room = length - len(row[0])
    return numpy.array([row[0] + [PAD] * room, row[1] + [IGNORE] * room, row[2] + [0] * room, row[3] + [0] * room])


def batches(examples, length, size):
    """Arrays [4, size, length]: tokens, targets, story numbers, weights."""
    source = rows(examples, length)
    while True:
        yield numpy.stack([next(source) for _ in range(size)], axis=1)
