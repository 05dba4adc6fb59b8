"""Lists: plain sentences about who is where, or about who gave what to whom, and the questions that they answer.

Facts without a story: the densest practice there is in finding the fact that belongs to a name, and of two facts the later one.
"""

import random

from questions import PHRASINGS, as_quiz
from words import BOYS, GIRLS, OUTDOORS, ROOMS, THINGS, article, where

CAME = ["{a} is {w}.", "{a} was {w}.", "{a} sat {w}.", "{a} went to the {p}.", "{a} walked to the {p}.", "{a} ran to the {p}."]
STILL = ["{a} is still {w}.", "{a} was still {w}."]
HAD = ["{a} had {x}.", "{a} was carrying {x}.", "{a} owned {x}."]
GAVE = ["{a} gave the {x} to {b}.", "{a} gave {b} the {x}.", "{a} handed the {x} to {b}.", "{b} got the {x} from {a}."]


def places(rng):
    """Who is where, event by event: (sentence, [(kind, facts, answer)] as things are after it)."""
    names = rng.sample(GIRLS + BOYS, rng.choice([2, 3, 4, 5]))
    free = rng.sample(sorted(ROOMS if rng.random() < 0.4 else OUTDOORS), 8)
    moving = names + rng.choices(names, k=rng.choice([0, 1, 2, 3]))
    at = {}
    for name in moving:
        forms = CAME
        if rng.random() < 0.15 and at:
            name, forms = rng.choice(sorted(at)), STILL
        elif free:
            at[name] = free.pop()
        else:
            return
        asked = [("person place", {"a": a}, f"{a} is {where(place)}.") for a, place in at.items()]
        yield rng.choice(forms).format(a=name, w=where(at[name]), p=at[name]), asked


def hands(rng):
    """Things that go from hand to hand: who has it, who gave it, who had it first."""
    names, things = rng.sample(GIRLS + BOYS, rng.choice([3, 4, 5])), rng.sample(THINGS, rng.choice([1, 2, 2, 3]))
    owners = {}
    told = [x for x in things for _ in range(rng.choice([2, 3, 4]))]
    for x in rng.sample(told, len(told)):
        if x not in owners:
            owners[x] = [rng.choice(names)]
            sentence = rng.choice(HAD).format(a=owners[x][0], x=article(x))
        else:
            a = owners[x][-1]
            b = rng.choice([name for name in names if name != a])
            owners[x].append(b)
            sentence = rng.choice(GAVE).format(a=a, b=b, x=x)
        yield sentence, [entry for thing in owners for entry in about(thing, owners[thing])]


def about(x, owners):
    """What can be asked about thing x that these people had, one after the other."""
    asked = [("holder", {"x": x}, f"{owners[-1]} has the {x}.")]
    if len(owners) > 1:
        asked.append(("giver", {"x": x, "a": owners[-1]}, f"{owners[-2]} gave the {x} to {owners[-1]}."))
    if owners[0] != owners[-1]:
        asked.append(("first holder", {"x": x}, f"{owners[0]} had the {x} first."))
    return asked


def ask(rng, entry):
    kind, facts, answer = entry
    return rng.choice(PHRASINGS[kind]).format(**facts), answer


def events(seed):
    rng = random.Random(seed * 19 + 6)
    return rng, (places if rng.random() < 0.5 else hands)(rng)


def list_chat(seed):
    """[user, model, …]: the sentences with a question about each fact."""
    rng, told = events(seed)
    sentences, asked = zip(*told)
    turns = [text for entry in rng.sample(asked[-1], len(asked[-1])) for text in ask(rng, entry)]
    return [" ".join(sentences) + "\n\n" + turns[0]] + turns[1:]


def list_text(seed):
    """The sentences, with questions and answers between and after them."""
    rng, told = events(seed)
    paragraphs, sentences, asked = [], [], []
    for sentence, asked in told:
        sentences.append(sentence)
        questions = rng.sample(asked, min(len(asked), rng.choice([0, 0, 1, 2])))
        if questions:
            paragraphs += [" ".join(sentences)] + [as_quiz(*ask(rng, entry)) for entry in questions]
            sentences = []
    paragraphs += [" ".join(sentences)] if sentences else []
    return "\n\n".join(paragraphs + [as_quiz(*ask(rng, entry)) for entry in rng.sample(asked, min(len(asked), 3))])


if __name__ == "__main__":
    for number in range(5):
        print(list_text(number), end="\n\n----------\n\n")
