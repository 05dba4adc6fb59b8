"""The first thing that nano learns: what stood beside a word when the word came before.

"Tom garden Mia lake Tom": garden. The two heads that find it (one tells each token what came before it, the other looks for
the token that was told the same; Olsson and others, 2022, call the pair an induction head) form in rows as short as these
within 200 steps. Then words come between, one more at a time: "Tom the garden", "Tom to the garden", "Tom went to the
garden". With all distances from the start nothing had formed after 450 steps, and after 4,550 steps of stories without this
beginning the answers to "Where is Tom?" were right in 63 % of the cases.
"""

import random

from tokenizer import BOS
from words import BOYS, GIRLS, OUTDOORS, ROOMS

BETWEEN = [[], ["the"], ["to", "the"], ["went", "to", "the"], ["is", "in", "the"], ["sat", "in", "the"]]
IGNORE = -100


def recall_example(processor, seed, most_between, length):
    """Tokens of sentences about four names and their places; only the place of a name that came before is to be predicted."""
    rng = random.Random(seed * 7 + 1)
    names = rng.sample(single(processor, GIRLS + BOYS), 4)
    places = rng.sample(single(processor, [*ROOMS, *OUTDOORS]), 4)
    between = [[token for word in words for token in single(processor, [word])] for words in BETWEEN if len(words) <= most_between]
    stop = [processor.EncodeAsIds("end.")[-1]] if most_between else []
    tokens, targets, known = [BOS], [IGNORE], set()
    while len(tokens) < length:
        who, words = rng.randrange(4), rng.choice(between)
        tokens += [names[who], *words, places[who], *stop]
        targets += [IGNORE] * len(words) + [places[who] if who in known else IGNORE, IGNORE] + [IGNORE] * len(stop)
        known.add(who)
    return tokens[:length], targets[:length], [1.0] * length


def single(processor, words):
    """The tokens of those words that are one token each, as they stand within a sentence."""
    return [tokens[0] for tokens in (processor.EncodeAsIds(" " + word) for word in words) if len(tokens) == 1]
