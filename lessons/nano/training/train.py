"""Trains nano: python3 train.py recall, then pretrain, then instruct. The same seed and steps give the same model.

Arithmetic is float32; on a processor that has it, matrix products are done in bfloat16 (autocast). --resume goes on where
a run was stopped. The model directories are written every few hundred steps.
"""

import argparse
import csv
import itertools
import os
import time

import numpy
import torch

import checkpoint
from data import (CHATS, HELD_OUT_QUESTIONS, HELD_OUT_RECALL, HELD_OUT_STORIES, PRETRAINING, RECALL, batches, instruct_examples,
                  pretraining_examples, recall_examples)
from model import Gemma
from muon import Muon
from tokenizer import load as load_tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
NANO = os.path.normpath(os.path.join(HERE, ".."))
INSTRUCT = os.path.join(NANO, "instruct")

# Phases: (steps, rows in a batch, row length, then what is read).
# recall: the most words between a name and its place, see recall.py; None for lists, see lists.py.
# pretrain: the shares of lists, short stories, drills and long stories, (share of stories with a quiz, most questions in it), how
# much the tokens of an answer count. instruct: the shares of stories of pretraining and of lists, the share of easy stories.
PLANS = {"recall": [(200, 32, 48, 0), (90, 32, 48, 1), (120, 32, 48, 2), (150, 32, 48, 3), (250, 16, 160, None)],
         "pretrain": [(1500, 16, 192, (0.25, 0.2, 0.5, 0.0), (0.95, 7), 4.0), (900, 16, 256, (0.15, 0.1, 0.4, 0.0), (0.9, 7), 4.0),
                      (200, 8, 512, (0.1, 0.0, 0.3, 0.5), (0.8, 6), 3.0), (900, 16, 256, (0.12, 0.12, 0.13, 0.1), (0.6, 5), 4.0),
                      (2500, 16, 256, (0.12, 0.08, 0.2, 0.1), (0.8, 6), 4.0), (800, 16, 256, (0.03, 0.05, 0.07, 0.15), (0.35, 4), 2.0)],
         "instruct": [(300, 16, 256, (0.05, 0.25), 0.3), (1350, 16, 320, (0.08, 0.08), 0.1)]}
# Corners of the learning rate's schedule: (step, factor).
SCHEDULE = {"recall": [(0, 0.0), (50, 1.0)],
            "pretrain": [(0, 0.0), (100, 1.0), (1500, 1.0), (2600, 0.0), (2640, 0.8), (3000, 0.8), (3500, 0.0), (3540, 0.8), (4700, 0.8),
                         (6000, 0.0), (6040, 0.5), (6800, 0.0)],
            "instruct": [(0, 0.0), (30, 1.0), (900, 1.0), (1650, 0.0)]}
# Learning rates: Muon for queries and keys, Muon for the other matrices, Adam for the embedding and the norms.
# (With 0.02 for all matrices attention became so sharp within a thousand steps of stories that it learned no more.)
RATES = {"recall": (0.006, 0.006, 1.5e-3), "pretrain": (0.003, 0.006, 1.5e-3), "instruct": (0.0015, 0.003, 0.75e-3)}

FIRST_SEED = {"recall": RECALL, "pretrain": PRETRAINING, "instruct": CHATS}


def phases(stage):
    """(first seed, plan) of each phase: every phase reads other texts."""
    return [(FIRST_SEED[stage] + 20_000_000 * i, plan) for i, plan in enumerate(PLANS[stage])]


def examples(stage, processor, first, length, *mix):
    """The texts of a phase as examples, from seed `first` on."""
    if stage == "recall":
        return recall_examples(processor, first, *mix, length)
    return (pretraining_examples if stage == "pretrain" else instruct_examples)(processor, first, *mix)


def training_batches(stage, processor, start=0):
    """The batches of a stage, without the first `start`; finished phases are not read again."""
    for first, (steps, size, length, *mix) in phases(stage):
        if start < steps:
            yield from itertools.islice(batches(examples(stage, processor, first, length, *mix), length, size), start, steps)
        start = max(0, start - steps)


def held_out_batches(stage, processor):
    first, mix = {"recall": (HELD_OUT_RECALL, (None,)), "pretrain": (HELD_OUT_STORIES, ((0.0, 0.0, 0.0, 0.0),)),
                  "instruct": (HELD_OUT_QUESTIONS, ((0.0, 0.0),))}[stage]
    return list(itertools.islice(batches(examples(stage, processor, first, 256, *mix), 256, 24), 4))


def loss_of(model, batch, device):
    tokens, targets, story = (torch.from_numpy(part).long().to(device) for part in batch[:3])
    weights = torch.from_numpy(batch[3]).float().to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        return model.loss(tokens, targets, story, weights)


def rate(stage, step):
    """The learning rate's factor: straight lines between the corners of the schedule."""
    corners = SCHEDULE[stage]
    return float(numpy.interp(step + 1, [corner[0] for corner in corners], [corner[1] for corner in corners]))


def optimizers(model, stage):
    named = dict(model.named_parameters())
    pointing = [name for name in named if name.endswith(("q_proj.weight", "k_proj.weight"))]
    others = [name for name in named if "embed" in name or "norm" in name]
    matrices = [name for name in named if name not in pointing + others]
    weights = lambda names: [named[name] for name in names]
    point_rate, matrix_rate, adam_rate = RATES[stage]
    muon = Muon([{"params": weights(pointing), "lr": point_rate}, {"params": weights(matrices), "lr": matrix_rate}])
    return [muon, torch.optim.Adam(weights(others), lr=adam_rate, betas=(0.9, 0.98), eps=1e-10)]


def train(stage, state_path, resume, device):
    torch.manual_seed(20240221)
    processor = load_tokenizer()
    model = (Gemma() if stage == "recall" else checkpoint.load(NANO)).to(device).train()
    tuners = optimizers(model, stage)
    base = [[group["lr"] for group in tuner.param_groups] for tuner in tuners]
    start, log = 0, []
    if resume and os.path.exists(state_path):
        state = torch.load(state_path)
        model.load_state_dict(state["model"])
        for tuner, saved in zip(tuners, state["tuners"]):
            tuner.load_state_dict(saved)
        start, log = state["step"], state["log"]
    held_out = held_out_batches(stage, processor)
    steps = sum(plan[0] for plan in PLANS[stage])
    seen, since, running = (log[-1]["tokens"] if log else 0), time.time(), []
    for step, batch in enumerate(training_batches(stage, processor, start), start):
        loss = loss_of(model, batch, device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for tuner, rates in zip(tuners, base):
            for group, full in zip(tuner.param_groups, rates):
                group["lr"] = full * rate(stage, step)
            tuner.step()
            tuner.zero_grad()
        running.append(float(loss))
        seen += int((batch[2] > 0).sum())
        done = step + 1
        if done % 50 == 0 or done == steps:
            with torch.no_grad():
                held = numpy.mean([float(loss_of(model, part, device)) for part in held_out])
            log.append({"step": done, "tokens": seen, "loss": round(float(numpy.mean(running)), 4), "held_out": round(float(held), 4)})
            print(log[-1], f"{time.time() - since:.0f} s for {len(running)} steps", flush=True)
            since, running = time.time(), []
            save(stage, model, tuners, done, log, state_path)


def save(stage, model, tuners, step, log, state_path):
    state = {"model": model.state_dict(), "tuners": [tuner.state_dict() for tuner in tuners], "step": step, "log": log}
    torch.save(state, state_path + ".part")
    os.replace(state_path + ".part", state_path)
    folder = INSTRUCT if stage == "instruct" else NANO
    checkpoint.save(model, folder, chat=stage == "instruct")
    if stage == "instruct":
        with open(os.path.join(NANO, "tokenizer.model"), "rb") as file:
            checkpoint.replace(os.path.join(folder, "tokenizer.model"), file.read())
    os.makedirs(os.path.join(HERE, "logs"), exist_ok=True)
    with open(os.path.join(HERE, "logs", stage + ".csv"), "w", newline="") as file:
        table = csv.DictWriter(file, list(log[0]))
        table.writeheader()
        table.writerows(log)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=list(PLANS))
    parser.add_argument("--resume", action="store_true", help="go on from the saved state")
    parser.add_argument("--state", default="/tmp/nano", help="folder for the state of the optimizers")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    os.makedirs(options.state, exist_ok=True)
    train(options.stage, os.path.join(options.state, options.stage + ".pt"), options.resume, options.device)


if __name__ == "__main__":
    main()
