#!/usr/bin/env python3
"""Notebooks as text that an editor likes, and back.

  make.py notebooks/01_gelu.ipynb > 01.txt        the cells, each after a line "//%% markdown" or "//%% code"
  make.py 01.txt notebooks/01_gelu.ipynb          the notebook, without outputs

Last stand "//%% expect", with a line for each text that the output must contain, and for each piece of code that solves
the exercise "//%% replace", the text that it takes the place of, and "//%% by", the piece.
"""

import json
import re
import sys
from pathlib import Path

import notebook as nb


def to_text(notebook):
    parts = [f"//%% {cell['cell_type']}\n{nb.source(cell)}\n" for cell in notebook["cells"]]
    parts.append("//%% expect\n" + "".join(line + "\n" for line in nb.expected(notebook)))
    parts += [f"//%% replace\n{found}\n//%% by\n{piece}\n" for found, piece in nb.solution(notebook)]
    return "\n".join(parts)


def to_notebook(text):
    cells, expect, solution = [], [], []
    for part in re.split(r"(?m)^//%% ", text)[1:]:
        kind, _, body = part.partition("\n")
        body = body.strip("\n")
        if kind.strip() == "expect":
            expect = [line for line in body.splitlines() if line]
            continue
        if kind.strip() == "replace":
            solution.append([body])
            continue
        if kind.strip() == "by":
            solution[-1].append(body)
            continue
        cell = {"cell_type": kind.strip(), "id": f"cell-{len(cells) + 1:02}", "metadata": {}}
        if cell["cell_type"] == "code":
            cell.update(execution_count=None, outputs=[])
        cell["source"] = body.splitlines(keepends=True)
        cells.append(cell)
    gemma = {"expect": expect, **({"solution": solution} if solution else {})}
    metadata = {"gemma": gemma, "kernelspec": nb.KERNEL, "language_info": {"name": "C++17"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if len(sys.argv) == 2:
        print(to_text(nb.read(sys.argv[1])), end="")
        return
    notebook = to_notebook(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
