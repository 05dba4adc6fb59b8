#!/usr/bin/env python3
"""Runs Hugging Face transformers' Gemma over some tokens and writes every intermediate, as dump_official.py does.

The values are transformers' own: they are caught by hooks and by watching the functions that it calls while a forward
pass runs. Nothing is recomputed. Which versions of transformers this was run with is said in README.md.
"""

from command_line import add_dump_arguments, parser_with_example, read_tokens, require, run

EXAMPLE = ("python3 dump_transformers.py --model gemma-2b --tokens 2,651,6037,576,6081,603 "
           "--out transformers.safetensors")


def main():
    parser = parser_with_example(__doc__, EXAMPLE)
    add_dump_arguments(parser)
    arguments = parser.parse_args()
    torch = require("torch", "to run the model")
    require("transformers", "to run its Gemma")
    modeling = require("transformers.models.gemma.modeling_gemma", "in version 4.38 or later, to run its Gemma")
    torch.set_num_threads(arguments.threads)
    import model_directory
    import transformers_gemma
    tokens = read_tokens(arguments, model_directory.read_config(arguments.model))
    values = transformers_gemma.dump(modeling, arguments.model, tokens, arguments.out, arguments.dtype, arguments.names,
                                     arguments.prompt or "")
    print(f"{arguments.out}: {len(values)} tensors over {len(tokens)} tokens, {arguments.dtype}")


if __name__ == "__main__":
    run(main)
