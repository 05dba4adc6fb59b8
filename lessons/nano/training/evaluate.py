"""Asks a model directory the held-out questions and counts the right answers, by kind of question.

python3 evaluate.py                 the instruct model on tests/fixtures/nano/questions.jsonl
python3 evaluate.py --count 2000    on more held-out questions than the fixture has
python3 evaluate.py --base          the pretrained model, which is asked as in its stories: "Question: ... Answer:"
"""

import argparse
import json
import os
from collections import defaultdict

import torch

import checkpoint
from chat import prompt
from held_out import FIXTURE, held_out_questions
from tokenizer import BOS, END_OF_TURN, EOS, NEWLINE, load as load_tokenizer
from train import INSTRUCT, NANO


@torch.no_grad()
def greedy(model, prompts, most=24, stop=(EOS, END_OF_TURN)):
    """The most likely continuation of each list of tokens, without the token that stops it."""
    rows = [list(tokens) for tokens in prompts]
    running = list(range(len(rows)))
    for _ in range(most):
        length = max(len(rows[i]) for i in running)
        batch = torch.tensor([rows[i] + [0] * (length - len(rows[i])) for i in running])
        last = torch.tensor([len(rows[i]) - 1 for i in running])
        hidden = model.hidden(batch)[torch.arange(len(running)), last]
        chosen = (hidden @ model.model.embed_tokens.weight.T).argmax(-1).tolist()
        for i, token in zip(running, chosen):
            rows[i].append(token)
        running = [i for i, token in zip(running, chosen) if token not in stop]
        if not running:
            break
    return [[token for token in row[len(tokens):] if token not in stop] for row, tokens in zip(rows, prompts)]


def answers(model, processor, questions, base=False, batch=25):
    """What the model answers to each question."""
    found = []
    for first in range(0, len(questions), batch):
        part = questions[first:first + batch]
        if base:
            texts = [f"{entry['story']}\n\nQuestion: {entry['question']}\nAnswer:" for entry in part]
        else:
            texts = [prompt(f"{entry['story']}\n\n{entry['question']}") for entry in part]
        prompts = [[BOS] + processor.EncodeAsIds(text) for text in texts]
        stop = (EOS, END_OF_TURN, NEWLINE, NEWLINE + 1)
        found += [processor.DecodeIds(tokens).strip() for tokens in greedy(model, prompts, stop=stop)]
    return found


def right(entry, answer):
    """(the same sentence, has the key words)"""
    return answer == entry["answer"], all(word in answer.lower() for word in entry["accept"])


def report(questions, given):
    table = defaultdict(lambda: [0, 0, 0])
    for entry, answer in zip(questions, given):
        same, has = right(entry, answer)
        for kind in (entry.get("kind", "question"), "all"):
            table[kind][0] += 1
            table[kind][1] += same
            table[kind][2] += has
    for kind, (count, same, has) in sorted(table.items(), key=lambda item: (item[0] == "all", item[0])):
        print(f"{kind:15s} {count:5d} questions   same sentence {100 * same / count:5.1f} %   key words {100 * has / count:5.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory")
    parser.add_argument("--count", type=int, default=0, help="make this many held-out questions instead of reading the fixture")
    parser.add_argument("--base", action="store_true", help="ask the pretrained model")
    parser.add_argument("--wrong", type=int, default=0, help="show this many wrong answers")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.count:
        questions = held_out_questions(options.count)
    else:
        with open(FIXTURE) as file:
            questions = [json.loads(line) for line in file]
    model = checkpoint.load(options.model or (NANO if options.base else INSTRUCT))
    given = answers(model, load_tokenizer(), questions, options.base)
    report(questions, given)
    wrong = [(entry, answer) for entry, answer in zip(questions, given) if not right(entry, answer)[1]]
    for entry, answer in wrong[:options.wrong]:
        print(f"\n{entry['story']}\n  {entry['question']}\n  expected: {entry['answer']}\n  answered: {answer}")


if __name__ == "__main__":
    main()
