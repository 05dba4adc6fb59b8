"""What the programs of this folder share on the command line. Needs nothing but Python, so that --help always works."""

import argparse
import importlib
import os
import sys

DTYPES = ("float32", "bfloat16", "float16")


class CommandError(Exception):
    """Bad input or a missing part; the text is one line for the user."""


def run(main):
    """Runs main() as a program. Exit code: what main returns (None is 0), or 2 after one line on what is wrong."""
    try:
        sys.exit(main())
    except CommandError as error:
        _fail(error)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else error)


def _fail(message):
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr)
    sys.exit(2)


def require(module, purpose):
    """Imports a Python module, or says in one line that it cannot be had and what it is needed for."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        reason = "is not installed" if error.name == package else f"does not import ({str(error).splitlines()[0]})"
        raise CommandError(f"the Python package {package} {reason}; it is needed {purpose}") from None


def parser_with_example(description, example):
    """An argument parser that shows the program's docstring above its options and an example below them."""
    return argparse.ArgumentParser(description=description, epilog=f"example:\n  {example}",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)


def add_dump_arguments(parser):
    """The arguments that dump_official.py and dump_transformers.py share."""
    parser.add_argument("--model", required=True, metavar="DIR",
                        help="Hugging Face directory: config.json, *.safetensors")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--tokens", metavar="2,5,7", help="token ids, separated by commas, used as they are")
    source.add_argument("--prompt", metavar="TEXT", help="text for DIR/tokenizer.model; one bos is put before it")
    parser.add_argument("--dtype", choices=DTYPES, default="float32",
                        help="the model computes in this type (default float32)")
    parser.add_argument("--names", nargs="+", default=["*"], metavar="GLOB",
                        help="write only the tensors whose names match one of these, as in 'lm_head' '*.q_rope'")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads for PyTorch (default 1)")
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the trace file to write")


def read_tokens(arguments, config):
    """The token ids of --tokens or --prompt, checked against the vocabulary and the context."""
    if arguments.tokens is None:
        tokens = _tokenize(arguments.prompt, os.path.join(arguments.model, "tokenizer.model"))
    else:
        tokens = _parse_tokens(arguments.tokens)
    for token in tokens:
        if not 0 <= token < config["vocab_size"]:
            raise CommandError(f"token {token} is out of range, expected 0 to {config['vocab_size'] - 1}")
    context = config.get("max_position_embeddings", 8192)
    if len(tokens) > context:
        raise CommandError(f"{len(tokens)} tokens, expected at most {context} (max_position_embeddings)")
    return tokens


def _parse_tokens(text):
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise CommandError(f"--tokens: found {text!r}, expected numbers separated by commas, as in 2,5,7") from None


def _tokenize(prompt, path):
    sentencepiece = require("sentencepiece", "for --prompt (or give --tokens)")
    if not os.path.isfile(path):
        raise CommandError(f"{path}: not found; it is needed for --prompt (or give --tokens)")
    processor = sentencepiece.SentencePieceProcessor()
    processor.Load(path)
    return [processor.bos_id()] + processor.EncodeAsIds(prompt)
