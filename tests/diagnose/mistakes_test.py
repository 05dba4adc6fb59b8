#!/usr/bin/env python3
"""gemma diagnose against traces with each known mistake, made in NumPy by tests/reference/mistakes.py.

Prints the confusion table: for each mistake and model what gemma diagnose names. The table and the worked example are
also in gemma/diagnose/README.md; --write puts them there, and without it they must be the ones that are there.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
README = os.path.join(ROOT, "gemma", "diagnose", "README.md")
sys.path.insert(0, os.path.join(HERE, "..", "reference"))
sys.dont_write_bytecode = True
import mistakes

SMALL = dict(vocab_size=48, hidden_size=20, intermediate_size=28, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8)
TOKENS = [2, 47, 0, 11, 30, 11, 5, 23, 17]

# (sizes, seed, what is special about the weights)
MODELS = {
    "grouped": (SMALL, 1, {}),
    "one kv head": ({**SMALL, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 1}, 2, {}),
    "all kv heads": ({**SMALL, "hidden_size": 24, "num_attention_heads": 2, "head_dim": 16}, 3, {}),
    "quiet": (SMALL, 4, {"embedding_scale": 1e-3}),
    "loud": ({**SMALL, "num_hidden_layers": 1}, 7, {"query_scale": 14.0}),
}
PAIRS = [("gelu-erf", "scale-missing"), ("embedding-unscaled", "rope-interleaved"), ("norm-weight-plain", "gate-silu"),
         ("heads-tiled", "mask-off-by-one"), ("bos-twice", "gelu-erf"), ("rope-from-one", "final-norm-missing"),
         ("rope-interleaved", "gelu-erf", "logits-capped")]
FEW = ["rope-interleaved", "norm-weight-plain", "embedding-unscaled", "mask-missing", "gate-silu", "scale-missing"]

failures = []


def check(condition, message):
    if not condition:
        failures.append(message)
        print(f"FAILED: {message}", flush=True)


def tolerance(name):
    return 5e-5 if name == "lm_head" else 1e-5


def same(a, b):
    """Whether two traces cannot be told apart, to twice what float32 implementations agree within."""
    (a, tokens), (b, other_tokens) = a, b
    if tokens != other_tokens:
        return False
    for name in a.keys() & b.keys():
        x, y = a[name], b[name]
        if name.endswith(".scores"):  # what the mask will hide does not count
            visible = np.tril(np.ones(x.shape[1:], bool))
            x, y = np.where(visible, x, 0), np.where(visible, y, 0)
        if not np.array_equal(np.isnan(x), np.isnan(y)):
            return False
        x, y = np.nan_to_num(x), np.nan_to_num(y)
        if np.abs(x - y).max() > 2 * tolerance(name) * np.abs(x).max():
            return False
    return True


class Model:
    def __init__(self, folder, name, rounded=False):
        sizes, seed, special = MODELS[name]
        self.name = name
        self.config = mistakes.make_config(**sizes)
        self.weights = mistakes.make_weights(self.config, seed, rounded=rounded, **special)
        self.folder = os.path.join(folder, f"{name} {'rounded' if rounded else 'model'}")
        mistakes.save_model(self.folder, self.config, self.weights)
        self.traces = {}

    def trace(self, *wrong, dtype="float32"):
        key = (wrong, dtype)
        if key not in self.traces:
            self.traces[key] = mistakes.forward(self.config, self.weights, TOKENS, wrong, dtype)
        return self.traces[key]


class Program:
    def __init__(self, gemma, folder):
        self.gemma, self.folder = gemma, folder

    def run(self, *arguments):
        return subprocess.run([self.gemma, "diagnose", *arguments], capture_output=True, text=True, cwd=self.folder)

    def diagnose(self, model, trace, names=None, dtype="float32", more=()):
        """The JSON of gemma diagnose; `names`: which tensors it is shown."""
        tensors, tokens = trace
        shown = {name: value for name, value in tensors.items() if names is None or name in names}
        file = os.path.join(self.folder, "trace.safetensors")
        mistakes.save_trace(file, shown, tokens, dtype)
        result = self.run(file, "--model", model.folder, "--json", *more)
        if result.returncode == 2:
            return {"verdict": "error: " + result.stderr.strip(), "explanations": []}
        answer = json.loads(result.stdout)
        answer["explanations"] = [attempt["mistakes"] for attempt in answer["attempts"] if attempt["explains"]]
        check(result.returncode == (0 if answer["verdict"] == "clean" else 1),
              f"{model.name}: exit code {result.returncode} for {answer['verdict']}")
        return answer


def cell(program, model, mistake, names=None):
    """Diagnoses one mistake at one model; what the confusion table says of it."""
    where = f"{mistake}, {model.name}{', logits only' if names else ''}"
    trace = model.trace(mistake)
    answer = program.diagnose(model, trace, names)

    def shown(of):
        return ({name: value for name, value in of[0].items() if names is None or name in names}, of[1])

    if answer["verdict"] == "clean":
        check(same(shown(trace), shown(model.trace())), f"{where}: called clean, but it shows")
        return "–"
    found = answer["explanations"]
    check([mistake] in found, f"{where}: {answer['verdict']}, found {found}, closest {answer.get('attempts', [])[:2]}")
    others = [other for other in found if other != [mistake]]
    for other in others:
        check(same(shown(trace), shown(model.trace(*other))), f"{where}: {other} is named, too, but differs from it")
    if [mistake] not in found:
        return "**no**"
    return "✓" if not others else "✓ or " + ", ".join(" + ".join(other) for other in others)


def confusion_table(program, models):
    """Markdown, a row for each mistake."""
    columns = list(models) + ["grouped, logits only"]
    rows = ["| mistake | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for mistake in mistakes.MISTAKES:
        cells = [cell(program, model, mistake) for model in models.values()]
        cells.append(cell(program, models["grouped"], mistake, {"lm_head"}))
        check(any(text.startswith("✓") for text in cells), f"{mistake}: it shows at none of the models")
        rows.append(f"| {mistake} | " + " | ".join(cells) + " |")
        print(rows[-1], flush=True)
    return "\n".join(rows)


def test_reference():
    """Without a mistake mistakes.py computes what Google's official model does."""
    folder = os.path.join(ROOT, "tests", "fixtures", "tiny")
    for name in ("one_kv_head", "two_kv_heads", "all_kv_heads", "six_layers"):
        config, weights = mistakes.load_model(os.path.join(folder, name))
        official = mistakes.load(os.path.join(folder, name, "expected.safetensors"))
        tokens = official.pop("tokens").astype(int).tolist()
        trace, _ = mistakes.forward(config, weights, tokens)
        check(set(trace) == set(official), f"{name}: other names than the official model's")
        check(same((official, tokens), (trace, tokens)), f"{name}: mistakes.py differs from the official model")


def test_list(program):
    listed = [mistake["name"] for mistake in json.loads(program.run("--list", "--json").stdout)]
    check(listed == mistakes.MISTAKES, f"the two lists of mistakes differ: {set(listed) ^ set(mistakes.MISTAKES)}")


def test_clean(program, models, folder):
    for model in models.values():
        for names in (None, {"lm_head"}, {"model.layers.0", "lm_head"}):
            verdict = program.diagnose(model, model.trace(), names)["verdict"]
            check(verdict == "clean", f"{model.name}: clean in float32")
    for name in ("grouped", "one kv head", "all kv heads"):
        model = Model(folder, name, rounded=True)
        answer = program.diagnose(model, model.trace(dtype="bfloat16"), dtype="bfloat16")
        found = (answer["verdict"], answer.get("precision"))
        check(found == ("clean", "bfloat16"), f"{name}: clean in bfloat16: {found}")
        for mistake in FEW:
            answer = program.diagnose(model, model.trace(mistake, dtype="bfloat16"), dtype="bfloat16")
            check([mistake] in answer["explanations"], f"{name}: {mistake} in bfloat16: {answer['verdict']}")


def test_pairs(program, models):
    for pair in PAIRS:
        answer = program.diagnose(models["grouped"], models["grouped"].trace(*pair))
        sets = [sorted(found) for found in answer["explanations"]]
        check(sorted(pair) in sets, f"{pair}: found {sets}")
        print(f"{' + '.join(pair)}: ✓ {'' if len(sets) == 1 else sets}", flush=True)
    pair = ("gelu-erf", "scale-missing")
    answer = program.diagnose(models["grouped"], models["grouped"].trace(*pair), {"lm_head"})
    sets = [sorted(found) for found in answer["explanations"]]
    check(sorted(pair) in sets, f"{pair} from logits: {answer['verdict']}")


def test_unknown(program, models):
    """What no mistake explains is said to be unknown."""
    trace, tokens = models["grouped"].trace()
    broken = {**trace, "lm_head": trace["lm_head"] / 0.7}
    answer = program.diagnose(models["grouped"], (broken, tokens))
    check(answer["verdict"] == "unknown" and answer["clean"]["differs_first_in"] == "lm_head", f"unknown: {answer}")
    check("1.42857 times ours" in program.run("trace.safetensors", "--model", models["grouped"].folder).stdout,
          "the factor of the logits is not told")


def greedy(model, wrong, count):
    """The tokens that a program with these mistakes writes after TOKENS."""
    tokens = list(TOKENS)
    for _ in range(count):
        trace, _ = mistakes.forward(model.config, model.weights, tokens, wrong)
        tokens.append(int(trace["lm_head"][-1].argmax()))
    return tokens[len(TOKENS):]


def test_text(program, models):
    model = models["grouped"]
    prompt = ",".join(map(str, TOKENS))
    told_apart = 0
    for wrong in ([], *([name] for name in FEW)):
        text = ",".join(map(str, greedy(model, wrong, 24)))
        result = program.run("--model", model.folder, "--tokens", prompt, "--text-tokens", text, "--json")
        attempts = json.loads(result.stdout)["attempts"]
        saying = [attempt["mistakes"] for attempt in attempts if attempt["first_other_token"] is None]
        check(wrong in saying, f"text of {wrong}: said by {saying}")
        check(result.returncode == (0 if [] in saying else 1), f"text of {wrong}: exit code {result.returncode}")
        told_apart += [] not in saying
        print(f"text of {wrong or 'no mistake'}: said by {len(saying)} passes", flush=True)
    check(told_apart >= len(FEW) / 2, f"only {told_apart} texts are told from the clean pass's")


def test_errors(program, models):
    folder = models["grouped"].folder
    for arguments in (("nothing.safetensors",), (), ("trace.safetensors", "--text", "x"),
                      ("trace.safetensors", "--model", folder, "--tokens", "2,3,4")):
        result = program.run(*arguments)
        check(result.returncode == 2 and result.stderr.count("\n") == 1, f"{arguments}: {result.stderr}")


def worked_example(program, folder):
    """A port with GELU by erf, as the README tells it."""
    example = Model(folder, "grouped")
    target = os.path.join(program.folder, "tiny")
    shutil.rmtree(target, ignore_errors=True)
    os.rename(example.folder, target)
    trace, tokens = example.trace("gelu-erf")
    mistakes.save_trace(os.path.join(program.folder, "theirs.safetensors"), trace, tokens)
    result = program.run("theirs.safetensors", "--model", "tiny")
    check("diagnosis: gelu-erf" in result.stdout, f"worked example: {result.stdout}{result.stderr}")
    return "```\n$ gemma diagnose theirs.safetensors --model tiny\n" + result.stdout + "```"


def list_table(program):
    rows = ["| mistake | what | shows first in | known from |", "|---|---|---|---|"]
    for mistake in json.loads(program.run("--list", "--json").stdout):
        rows.append("| {name} | {what} | `{shows_at}` | {source} |".format(**mistake).replace("<", "&lt;"))
    return "\n".join(rows)


def put_into_readme(parts, write):
    with open(README, encoding="utf-8") as file:
        text = file.read()
    current = text
    for name, content in parts.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        check(len(pattern.findall(text)) == 1, f"README.md: no place for {name}")
        text = pattern.sub(lambda match: match[1] + content + "\n" + match[2], text)
    if write:
        with open(README, "w", encoding="utf-8") as file:
            file.write(text)
    elif blurred(text) != blurred(current):
        check(False, "gemma/diagnose/README.md is not current: run tests/diagnose/mistakes_test.py with --write")


def blurred(text):
    """Without the numbers that are rounding noise, which another machine rounds in another way."""
    return re.sub(r"\d\.\d+e-0[678]", "noise", re.sub(r"(\d\.\d{4})\d+", r"\1", text))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma", required=True, help="the program")
    parser.add_argument("--write", action="store_true", help="write the tables into gemma/diagnose/README.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Program(os.path.abspath(arguments.gemma), folder)
        models = {name: Model(folder, name) for name in MODELS}
        test_reference()
        test_list(program)
        test_clean(program, models, folder)
        table = confusion_table(program, models)
        test_pairs(program, models)
        test_unknown(program, models)
        test_text(program, models)
        test_errors(program, models)
        os.makedirs(os.path.join(folder, "example"))
        put_into_readme({"list": list_table(program), "confusion": table,
                         "example": worked_example(program, os.path.join(folder, "example"))}, arguments.write)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
