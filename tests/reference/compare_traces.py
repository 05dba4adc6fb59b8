#!/usr/bin/env python3
"""Compares two trace files tensor by tensor: the largest difference, and that relative to the largest magnitude.

A tensor that the reference has and the other file lacks counts as different; what else the other file has is not looked
at. Exit code 0 when every relative difference is within the tolerance, 1 when one is not.
"""

from command_line import CommandError, parser_with_example, require, run

EXAMPLE = "python3 compare_traces.py official.safetensors mine.safetensors"


def main():
    parser = parser_with_example(__doc__, EXAMPLE)
    parser.add_argument("reference", metavar="REFERENCE.safetensors", help="the trace to judge by")
    parser.add_argument("other", metavar="OTHER.safetensors", help="the trace to judge")
    parser.add_argument("--tolerance", type=float, metavar="X",
                        help="largest relative difference (default 1e-5, and 5e-5 for lm_head)")
    parser.add_argument("--worst", type=int, metavar="N", help="print the N worst tensors only")
    arguments = parser.parse_args()
    require("torch", "to read trace files")
    reference, other = read_trace(arguments.reference), read_trace(arguments.other)
    if other["tokens"].tolist() != reference["tokens"].tolist():
        raise CommandError(f"{arguments.reference} and {arguments.other} are traces of different tokens")
    rows = [judge(name, other.get(name), tensor) for name, tensor in reference.items() if name != "tokens"]
    print_table(sorted(rows, key=lambda row: -row[1])[:arguments.worst] if arguments.worst else rows)
    bad = sum(relative > tolerance_of(name, arguments.tolerance) for name, relative, _text in rows)
    print(f"{len(rows)} tensors, {bad} above the tolerance")
    return 1 if bad else 0


def tolerance_of(name, chosen):
    """What counts as the same in float32: the logits sum up the differences of all layers."""
    return chosen if chosen is not None else 5e-5 if name == "lm_head" else 1e-5


def read_trace(path):
    import safetensors_file
    try:
        tensors, _metadata = safetensors_file.load(path)
    except safetensors_file.FormatError as error:
        raise CommandError(str(error)) from None
    if "tokens" not in tensors:
        raise CommandError(f"{path}: no tensor named tokens, expected a trace file")
    return tensors


def judge(name, tensor, reference):
    """One row: name, relative difference, and the same in words."""
    if tensor is None:
        return name, float("inf"), "missing"
    if tensor.shape != reference.shape:
        return name, float("inf"), f"shape {list(tensor.shape)}, expected {list(reference.shape)}"
    magnitude = reference.double().abs().max().item()
    difference = (tensor.double() - reference.double()).abs().max().item()
    if difference != difference:  # a NaN
        difference = float("inf")
    relative = difference / magnitude if magnitude else difference
    return name, relative, f"{difference:10.2e} {magnitude:10.3g} {relative:10.2e}"


def print_table(rows):
    width = max(len(name) for name, _relative, _text in rows)
    print(f"{'':{width}} {'difference':>10} {'largest':>10} {'relative':>10}")
    for name, _relative, text in rows:
        print(f"{name:{width}} {text}")


if __name__ == "__main__":
    run(main)
