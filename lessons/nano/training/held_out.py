"""Makes the held-out questions: stories from seeds that training never sees, and a check that none of them is in training.

python3 held_out.py [number of training seeds to check against]
"""

import itertools
import json
import os
import random
import sys

from chat import chat, question_story, sure_questions
from data import HELD_OUT_QUESTIONS
from questions import PHRASINGS
from train import phases

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.normpath(os.path.join(HERE, "..", "..", "..", "tests", "fixtures", "nano", "questions.jsonl"))


def held_out_questions(count, first_seed=HELD_OUT_QUESTIONS + 1_000_000, seen=frozenset()):
    """Questions of all kinds in turn, one for a story; stories that training has seen are passed over."""
    kinds, found = itertools.cycle(kind for kind in PHRASINGS if kind != "yes or no"), []
    kind = next(kinds)
    for seed in itertools.count(first_seed):
        rng = random.Random(seed)
        story = question_story(seed)
        questions = [entry for entry in sure_questions(story, rng) if entry["kind"] == kind]
        text = story.text(paragraphs=False)
        if not questions or text in seen or len(story.sentences) < 4:
            continue
        entry = rng.choice(questions)
        found.append({"kind": kind, "story": text, "question": entry["question"], "answer": entry["answer"], "accept": entry["accept"]})
        kind = next(kinds)
        if len(found) == count:
            return found


def training_stories(seeds):
    """The stories of the first chats of each phase, as they stand before the question."""
    return {text.rsplit("\n\n", 1)[0] for first, plan in phases("instruct") for seed in range(seeds) for text in chat(first + seed, plan[-1])}


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    questions = held_out_questions(200, seen=training_stories(seeds))
    os.makedirs(os.path.dirname(FIXTURE), exist_ok=True)
    with open(FIXTURE, "w") as file:
        for entry in questions:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    print(len(questions), "questions written to", FIXTURE)


if __name__ == "__main__":
    main()
