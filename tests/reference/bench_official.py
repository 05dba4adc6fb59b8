#!/usr/bin/env python3
"""Times Google's official PyTorch Gemma and `gemma bench` on the same checkpoint, taking turns, and prints the ratio.

A round times PyTorch, then `gemma bench`: reading a prompt up to its first token, and decoding. Both run in the same
precision with the same number of threads, one at a time; what else runs on the machine disturbs both alike. The ratio is
the median of the rounds' ratios. A checkpoint of random numbers does: gemma random gemma-2b --out random-2b

Memory: the weights twice in bfloat16 (PyTorch's copy and the mapped file), three times in float32.
"""

import gc
import json
import os
import statistics
import subprocess
import time

from command_line import CommandError, parser_with_example, require, run

EXAMPLE = ("python3 bench_official.py --gemma-pytorch gemma_pytorch --model random-2b "
           "--gemma ../../build/release/bin/gemma")


def main():
    arguments = read_arguments()
    torch = require("torch", "to run the official model")
    import model_directory
    import official_gemma
    config = model_directory.read_config(arguments.model)
    check_numbers(arguments, config)
    torch.set_num_threads(arguments.threads)
    official = official_gemma.import_official(arguments.gemma_pytorch)
    print(f"{arguments.model}: a prompt of {arguments.prompt_tokens} tokens, then {arguments.tokens}; "
          f"{arguments.threads} threads, {arguments.rounds} rounds, PyTorch {torch.__version__}\n")
    print(f"{'precision':10}{'phase':9}{'official':>10}{'gemma':>10}  tokens/s"
          f"{'gemma / official':>20}  (least to largest)")
    for dtype in arguments.dtypes:
        model = load(official, official_gemma, model_directory, arguments.model, config, dtype)
        rounds = [compare_once(model, dtype, arguments) for _ in range(arguments.rounds)]
        del model
        gc.collect()
        for phase in ("prefill", "decode"):
            print_row(dtype, phase, [one[phase] for one in rounds])


def read_arguments():
    parser = parser_with_example(__doc__, EXAMPLE)
    parser.add_argument("--gemma-pytorch", required=True, metavar="CHECKOUT", help="a checkout of google/gemma_pytorch")
    parser.add_argument("--model", required=True, metavar="DIR", help="Hugging Face directory: config.json, *.safetensors")
    parser.add_argument("--gemma", required=True, metavar="PROGRAM", help="the gemma program")
    parser.add_argument("--dtypes", nargs="+", choices=("bfloat16", "float32"), default=["bfloat16", "float32"],
                        help="precisions, one after the other (default: both)")
    for name, default, what in (("--prompt-tokens", 512, "length of the prompt"), ("--tokens", 16, "tokens decoded"),
                                ("--rounds", 3, "rounds"), ("--threads", os.cpu_count(), "CPU threads of both")):
        parser.add_argument(name, type=int, default=default, metavar="N", help=f"{what} (default {default})")
    return parser.parse_args()


def check_numbers(arguments, config):
    for name in ("prompt_tokens", "tokens", "rounds", "threads"):
        if getattr(arguments, name) < 1:
            raise CommandError(f"--{name.replace('_', '-')}: found {getattr(arguments, name)}, expected 1 or more")
    context = config.get("max_position_embeddings", 8192)
    if arguments.prompt_tokens + arguments.tokens > context:
        raise CommandError(f"{arguments.prompt_tokens} + {arguments.tokens} tokens, expected at most {context} in all "
                           "(max_position_embeddings)")


def load(official, official_gemma, model_directory, directory, config, dtype):
    """The official model in `dtype`, warmed up. The files' tensors are let go: the model has its own copy."""
    tensors = model_directory.read_tensors(directory)
    model_directory.check_tensors(directory, config, tensors)
    model = official_gemma.build_model(official, config, official_gemma.official_state(config, tensors), dtype)
    time_official(model, 16, 1)
    return model


def compare_once(model, dtype, arguments):
    """{phase: (official's tokens a second, gemma's)} of one round."""
    prefill, decode = time_official(model, arguments.prompt_tokens, arguments.tokens)
    ours = time_gemma(arguments, dtype)
    return {"prefill": (arguments.prompt_tokens / prefill, ours["prefill"]["tokens_per_second"]["median"]),
            "decode": (arguments.tokens / decode, ours["decode"]["tokens_per_second"]["median"])}


def time_official(model, prompt_tokens, tokens):
    """Seconds up to the first token and of all tokens after it, with the tensors that the official generate() makes."""
    import torch
    from official_gemma import MASKED
    config = model.config
    room = prompt_tokens + tokens
    shape = (1, room, config.num_key_value_heads, config.head_dim)
    caches = [(torch.zeros(shape, dtype=config.get_dtype()), torch.zeros(shape, dtype=config.get_dtype()))
              for _ in range(config.num_hidden_layers)]
    mask = torch.triu(torch.full((1, 1, room, room), MASKED), diagonal=1)

    def forward(token_ids, positions):
        next_token, _ = model(input_token_ids=token_ids, input_positions=positions, kv_write_indices=None,
                              kv_caches=caches, mask=mask.index_select(2, positions),
                              output_positions=torch.tensor([len(positions) - 1]), temperatures=None,
                              top_ps=torch.ones(1), top_ks=torch.full((1,), config.vocab_size))
        return next_token.reshape(1, 1)

    prompt = torch.tensor([[(1 + i * 7919) % config.vocab_size for i in range(prompt_tokens)]])
    start = time.perf_counter()
    token = forward(prompt, torch.arange(prompt_tokens))
    first = time.perf_counter()
    for position in range(prompt_tokens, room):
        token = forward(token, torch.tensor([position]))
    return first - start, time.perf_counter() - first


def time_gemma(arguments, dtype):
    """The one run that `gemma bench --json` reports."""
    command = [arguments.gemma, "bench", "--json", "--model", arguments.model, "--precision", dtype, "--repeats", "1",
               "--prompt-tokens", str(arguments.prompt_tokens), "--tokens", str(arguments.tokens),
               "--threads", str(arguments.threads)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise CommandError(f"{' '.join(command)}: {result.stderr.strip()}")
    return json.loads(result.stdout)["runs"][0]


def print_row(dtype, phase, pairs):
    official, ours = (statistics.median(column) for column in zip(*pairs))
    ratios = sorted(gemma / other for other, gemma in pairs)
    print(f"{dtype:10}{phase:9}{official:10.4g}{ours:10.4g}{'':10}{statistics.median(ratios):20.2f}"
          f"  ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)


if __name__ == "__main__":
    run(main)
