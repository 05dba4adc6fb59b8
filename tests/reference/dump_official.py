#!/usr/bin/env python3
"""Runs Google's official PyTorch Gemma (the gemma_pytorch repository) over some tokens and writes every intermediate.

The values are the official code's own: they are caught by hooks and by watching the functions that it calls while a
forward pass runs. Nothing is recomputed. The logits are those of every position, not divided by a temperature.
"""

from command_line import add_dump_arguments, parser_with_example, read_tokens, require, run

EXAMPLE = ("python3 dump_official.py --gemma-pytorch gemma_pytorch --model gemma-2b --tokens 2,651,6037,576,6081,603 "
           "--out official.safetensors")


def main():
    parser = parser_with_example(__doc__, EXAMPLE)
    parser.add_argument("--gemma-pytorch", required=True, metavar="CHECKOUT", help="a checkout of google/gemma_pytorch")
    add_dump_arguments(parser)
    arguments = parser.parse_args()
    torch = require("torch", "to run the official model")
    torch.set_num_threads(arguments.threads)
    import model_directory
    import official_gemma
    tokens = read_tokens(arguments, model_directory.read_config(arguments.model))
    official = official_gemma.import_official(arguments.gemma_pytorch)
    values = official_gemma.dump(official, arguments.model, tokens, arguments.out, arguments.dtype, arguments.names,
                                 arguments.prompt or "")
    print(f"{arguments.out}: {len(values)} tensors over {len(tokens)} tokens, {arguments.dtype}")


if __name__ == "__main__":
    run(main)
