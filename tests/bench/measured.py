#!/usr/bin/env python3
"""Measures what README.md of this folder tells, and writes its tables anew (between the comments "measured" there).

On a quiet machine it takes some 15 minutes for Gemma 2B's size: nothing else should run meanwhile.

example:
  python3 tests/bench/measured.py --gemma build/release/bin/gemma --micro build/release/bin/gemma_bench
"""

import argparse
import json
import os
import re
import subprocess
import sys

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md")
COMPONENTS = (("attention_linear_maps", "attention: linear maps"), ("over_tokens", "attention: over the tokens"),
              ("mlp", "MLP"), ("norms", "norms"), ("logits", "logits"), ("rest", "rest"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma", required=True, metavar="PROGRAM", help="the gemma program")
    parser.add_argument("--micro", required=True, metavar="PROGRAM", help="gemma_bench, the micro-benchmarks")
    parser.add_argument("--config", default="gemma-2b", help="gemma-2b, gemma-7b or a config.json (default gemma-2b)")
    parser.add_argument("--lengths", default="128,512,2048,8128", help="prompts of the growth (default %(default)s)")
    parser.add_argument("--threads", default="1,2", help="numbers of threads of the growth (default %(default)s)")
    parser.add_argument("--tokens", default="16", help="tokens decoded (default %(default)s)")
    parser.add_argument("--repeats", default="3", help="repeats (default %(default)s); the growth is measured once")
    parser.add_argument("--only", nargs="+", choices=("speed", "growth", "claims"),
                        default=["speed", "growth", "claims"], help="measure some of the sections (default: all)")
    parser.add_argument("--out", default=README, metavar="FILE", help="the page whose tables are written")
    arguments = parser.parse_args()

    measure = {"speed": measure_speed, "growth": measure_growth, "claims": measure_claims}
    sections = {name: measure[name](arguments) for name in arguments.only}
    with open(arguments.out, encoding="utf-8") as file:
        text = file.read()
    for name, section in sections.items():
        pattern = rf"(<!-- measured: {name} -->\n).*?(<!-- end -->\n)"
        text, count = re.subn(pattern, lambda match: match[1] + section + match[2], text, flags=re.DOTALL)
        if count != 1:
            sys.exit(f"{arguments.out}: found {count} sections \"measured: {name}\", expected 1")
    with open(f"{arguments.out}.unfinished", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{arguments.out}.unfinished", arguments.out)


def measure_speed(arguments):
    return speed([bench(arguments, "--repeats", arguments.repeats, "--precision", precision)
                  for precision in ("bfloat16", "float32")])


def measure_growth(arguments):
    return growth_table(bench(arguments, "--repeats", "1", "--prompt-tokens", arguments.lengths, "--threads",
                              arguments.threads))


def measure_claims(arguments):
    return claims(micro(arguments.micro), bench_processor(arguments))


def output_of(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def bench(arguments, *more):
    return json.loads(output_of(arguments.gemma, "bench", "--json", "--config", arguments.config, "--tokens",
                                arguments.tokens, *more))


def bench_processor(arguments):
    """The processor's name, from the quickest bench there is: the small model's."""
    return json.loads(output_of(arguments.gemma, "bench", "--json", "--tokens", "1", "--repeats", "1"))["processor"]


def micro(program):
    """{name: (nanoseconds, cache bytes)} of the micro-benchmarks on one core, in time of that core alone."""
    found = json.loads(output_of(program, "--benchmark_format=json", "--benchmark_filter=norm|attention|activation",
                                 "--benchmark_min_time=0.1", "--benchmark_repetitions=5",
                                 "--benchmark_report_aggregates_only=true", preexec_fn=stay_on_one_core))
    unit = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    return {one["run_name"].replace("/real_time", ""): (one["cpu_time"] * unit[one["time_unit"]], one.get("cache"))
            for one in found["benchmarks"] if one["aggregate_name"] == "median"}


def stay_on_one_core():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(share):
    return f"{100 * share:.1f} %"


def machine(report):
    return f"{report['processor']}, {report['runs'][0]['threads']} threads"


def parts(phase, seconds):
    """The components of a phase as shares of its time."""
    seconds_of = dict(phase["component_seconds"])
    seconds_of["over_tokens"] = seconds_of["attention"] - seconds_of["attention_linear_maps"]
    return {name: seconds_of[name] / seconds for name, _ in COMPONENTS}


def speed(reports):
    run = reports[0]["runs"][0]
    text = (f"{reports[0]['model']}, random weights in bfloat16; a prompt of {run['prompt_tokens']} tokens, then "
            f"{run['tokens']}; {machine(reports[0])}; medians of {run['repeats']} repeats.\n\n")
    rows, shares = [], []
    for report in reports:
        run, precision = report["runs"][0], report["precision"]
        prefill, decode, limits = run["prefill"], run["decode"], run["limits"]
        peak = limits[prefill["limit"]]
        rows.append([precision, "prefill", f"{prefill['tokens_per_second']['median']:.3g}",
                     f"{peak['operations_per_second']['median'] * 1e-9:.0f} GFLOP/s ({peak['instructions']})",
                     spread(prefill["share_of_limit"])])
        rows.append([precision, "decode", f"{decode['tokens_per_second']['median']:.3g}",
                     f"{limits['read_bytes_per_second']['median'] * 1e-9:.1f} GB/s", spread(decode["share_of_limit"])])
        shares.append((parts(prefill, prefill["seconds_to_first_token"]["median"]),
                       parts(decode, decode["seconds_per_token"]["median"])))
    text += table(["precision", "phase", "tokens/s", "limit", "reached of it (least to largest)"], rows)
    header = ["component"] + [f"{report['precision']}, {phase}" for report in reports for phase in ("prefill", "decode")]
    text += "\n" + table(header, [[title] + [percent(phase[name]) for both in shares for phase in both]
                                  for name, title in COMPONENTS])
    memory = reports[0]["runs"][0]["memory_bytes"]
    text += (f"\nMemory in bfloat16: {memory['peak'] * 1e-9:.2f} GB at most, of which weights "
             f"{memory['weights'] * 1e-9:.2f} GB, KV cache {memory['kv_cache'] * 1e-6:.1f} MB, the rest "
             f"{memory['rest'] * 1e-6:.0f} MB.\n")
    return text


def spread(share):
    return f"{percent(share['median'])} ({percent(share['least'])} to {percent(share['largest'])})"


def growth_table(report):
    """Costs as multiples of the first line's; the attention's work over the tokens as a share."""
    runs = report["runs"]
    first_prefill, first_decode = cost(runs[0], "prefill"), cost(runs[0], "decode")
    rows = []
    for run in runs:
        prefill, decode = run["prefill"], run["decode"]
        rows.append([str(run["threads"]), str(run["prompt_tokens"]),
                     f"{cost(run, 'prefill') / first_prefill:.2f}", percent(prefill["share_of_limit"]["median"]),
                     percent(parts(prefill, prefill["seconds_to_first_token"]["median"])["over_tokens"]),
                     f"{cost(run, 'decode') / first_decode:.2f}", percent(decode["share_of_limit"]["median"]),
                     percent(parts(decode, decode["seconds_per_token"]["median"])["over_tokens"]),
                     f"{run['memory_bytes']['kv_cache'] * 1e-6:.1f} MB", f"{run['memory_bytes']['rest'] * 1e-6:.0f} MB"])
    return (f"{report['model']} in {report['precision']}, {report['processor']}. Cost: the time of one token, as a "
            "multiple of the first line's.\n\n" +
            table(["threads", "prompt", "prefill: cost", "of the peak", "attention over the tokens", "decode: cost",
                   "of a pure read", "attention over the tokens", "KV cache", "rest of memory"], rows))


def cost(run, phase):
    return 1 / run[phase]["tokens_per_second"]["median"]


def claims(times, processor):
    def time(name):
        return times[name][0]

    text = (f"On one core of {processor}, in time of that core alone; medians of 5 repetitions.\n\n"
            "**RMSNorm against LayerNorm**, the time of the two alone on rows of 2048 numbers:\n\n")
    text += table(["rows", "LayerNorm takes × the time"],
                  [[str(rows), f"{time(f'layer_norm_rows/rows:{rows}') / time(f'rms_norm_rows/rows:{rows}'):.2f}"]
                   for rows in (1, 256)])
    text += ("\n**Multi-query against multi-head attention**, one token through an attention layer of the 2B's shapes, "
             "its linear maps included:\n\n")
    rows = []
    for context in (128, 512, 2048, 8192):
        one, many = (times[f"decode_attention/context:{context}/kv_heads:{heads}"] for heads in (1, 8))
        rows.append([str(context), f"{many[0] / one[0]:.2f}", f"{many[1] / one[1]:.0f}",
                     f"{one[1] / 2**20:.3g} MiB", f"{many[1] / 2**20:.3g} MiB"])
    text += table(["tokens so far", "multi-head takes × the time", "× the cache", "cache, 1 head", "cache, 8 heads"],
                  rows)
    copy = time("activation_copy/rows:16")
    forms = {form: time(f"activation_gelu/{form}/rows:16") - copy for form in ("tanh", "exact", "sigmoid")}
    text += ("\n**The forms of GELU**, on 16 rows of 16,384 numbers, without the copy: "
             f"exact takes {forms['exact'] / forms['tanh']:.1f} times as long as the tanh form, "
             f"sigmoid {forms['sigmoid'] / forms['tanh']:.1f} times.\n")
    return text


if __name__ == "__main__":
    main()
