"""Notebooks as the tests see them: cells and their kinds, the rules of the cells, and two ways to run them."""

import copy
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

HEADER = '#include "../build/release/notebook.hpp"'
KERNEL = {"name": "xcpp17", "display_name": "C++17", "language": "C++17"}
SECONDS = 120  # no cell and no compiler takes this long

# clang-repl as the kernel xeus-cpp runs it. xtensor 0.24 needs the third flag with clang 19.
REPL_FLAGS = ["-std=c++17", "-O2", "-fno-relaxed-template-template-args",
              "-Wno-deprecated-no-relaxed-template-template-args"]


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code_cells(notebook):
    """(number in the notebook, text) of each code cell."""
    return [(number, source(cell)) for number, cell in enumerate(notebook["cells"], 1) if cell["cell_type"] == "code"]


def kind(text):
    """One of the three kinds of code cell."""
    if text.lstrip().startswith("#"):
        return "preamble"
    return "declarations" if re.match(r"namespace\b", text) else "statements"


def expected(notebook):
    return notebook["metadata"].get("gemma", {}).get("expect", [])


UNSOLVED = "not yet"  # what an exercise says as it comes


def solution(notebook):
    """Pairs of texts: what stands in the exercise, and what solves it."""
    return notebook["metadata"].get("gemma", {}).get("solution", [])


def solved(notebook):
    """The notebook with its exercise solved; it says so, by not saying otherwise."""
    done = copy.deepcopy(notebook)
    for found, replacement in solution(notebook):
        places = [cell for cell in done["cells"] if cell["cell_type"] == "code" and found in source(cell)]
        if len(places) != 1 or source(places[0]).count(found) != 1:
            raise ValueError(f"the solution's {found!r} is not once in the code")
        places[0]["source"] = source(places[0]).replace(found, replacement).splitlines(keepends=True)
    gemma = done["metadata"]["gemma"]
    gemma["expect"] = [text for text in gemma["expect"] if UNSOLVED not in text]
    return done


# --- The rules -------------------------------------------------------------------------------------------------------


def without_comments_and_strings(text):
    """The same lines, with comments gone and strings and characters empty."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((.*?)\)"|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)\'', re.DOTALL)

    def blank(match):
        found = match.group()
        inside = "\n" * found.count("\n")
        return inside if found.startswith("/") else found[0] + inside + found[-1] if found[0] != "R" else '""' + inside

    return token.sub(blank, text)


def lint_preamble(text):
    for line in text.splitlines():
        if not re.fullmatch(r'#include (<[^>]+>|"[^"]+")( +//.*)?', line):
            yield f"a preamble has #include lines at column 0 and nothing else: {line!r}"


def lint_declarations(text):
    if not text.startswith("namespace nb {"):
        yield 'declarations begin with "namespace nb {"'
        return
    depth, closed = 0, False
    for character in without_comments_and_strings(text):
        if closed and not character.isspace():
            yield "declarations are all inside one namespace nb"
            return
        depth += {"{": 1, "}": -1}.get(character, 0)
        closed = closed or (character == "}" and depth == 0)
    if depth != 0:
        yield "the braces do not balance"
    if re.search(r"^\s*#", text, re.MULTILINE):
        yield "an #include belongs in the preamble"


CONTROL = "if|for|while|switch|catch|else|do|try|return"
FORBIDDEN = [
    (r"(?<![\w\])])\s*\[[^\[\]]*\]\s*[({]", "a lambda"),
    (r"\b(struct|class|union|enum)\s+\w+", "a type's definition"),
    (r"\b(using|typedef|template|namespace)\b", "a using, typedef, template or namespace"),
    (rf"(?m)^[\w:<>,&*\s]*\b(?!(?:{CONTROL})\b)\w+\s*\([^;{{}}()]*\)\s*(const\s*)?\{{", "a function's definition"),
    (r"(?m)^\s*#", "a preprocessor line"),
]


def lint_statements(text):
    plain = without_comments_and_strings(text)
    for pattern, what in FORBIDDEN:
        if re.search(pattern, plain):
            yield f"statements have {what}, which belongs in a declarations or preamble cell"
    for line in plain.splitlines():
        # A block over several lines opens with a brace.
        if line.strip() and not re.search(r"[;{}]\s*$", line):
            yield f"each line of statements ends in ; or a brace: {line.strip()!r}"


def lint_cell(text):
    if not text.strip():
        yield "an empty cell"
        return
    if text != text.strip():
        yield "a cell begins and ends with text"
    plain = without_comments_and_strings(text)
    if re.match(r"[-%!?.]", text) or re.search(r"(?m)^[%!]", plain):
        yield "a magic command, or a first character that a kernel reads as an option"
    if re.search(r"\b(f?printf|puts|std::cerr|std::clog|stderr|fmt::print)\b", plain):
        yield "text goes to std::cout"
    for statement in plain.split(";"):
        if "std::cout" in statement and "std::endl" not in statement:
            yield f"text to std::cout ends with std::endl: {' '.join(statement.split())!r}"
    yield from {"preamble": lint_preamble, "declarations": lint_declarations, "statements": lint_statements}[
        kind(text)](text)


def lint(notebook):
    """What breaks the rules, in words."""
    metadata, cells = notebook["metadata"], notebook["cells"]
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        yield "the format is not 4.5"
    if metadata.get("kernelspec") != KERNEL:
        yield f"the kernelspec is not {KERNEL}"
    if not expected(notebook):
        yield 'the metadata names no expected output: {"gemma": {"expect": [...]}}'
    ids = [cell.get("id", "") for cell in cells]
    if len(set(ids)) != len(ids) or not all(re.fullmatch(r"[\w-]{1,64}", cell_id) for cell_id in ids):
        yield "each cell has an id of its own"
    if not 9 <= len(cells) <= 15:
        yield f"{len(cells)} cells; expected 9 to 15"
    if not cells or cells[0]["cell_type"] != "markdown":
        yield "a notebook opens with text"
    code = [text for _, text in code_cells(notebook)]
    if not code or not re.fullmatch(re.escape(HEADER) + "( +//.*)?", code[0]):
        yield f"the first code cell is {HEADER} alone: clang-repl 19 dies of its errors in other company"
    kinds = [kind(text) for text in code]
    if kinds[:2] != ["preamble", "preamble"] or kinds.count("preamble") != 2:
        yield "the second code cell, and none after it, is the preamble"
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] == "markdown":
            continue
        if cell.get("outputs") != [] or cell.get("execution_count", 0) is not None:
            yield f"cell {number}: it is stored with outputs or an execution count"
        for fault in lint_cell(source(cell)):
            yield f"cell {number}: {fault}"


# --- Running ---------------------------------------------------------------------------------------------------------


def texts(notebook, build):
    """The code cells, with the header of this build."""
    for number, text in code_cells(notebook):
        yield number, text.replace("../build/release/", f"{build}/")


def execute(command, folder, **variables):
    """(exit status, what it wrote). 124 where it took too long."""
    try:
        done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        return 124, f"{(late.stdout or b'').decode(errors='replace')}\nmore than {SECONDS} s\n"
    return done.returncode, done.stdout.decode(errors="replace")


def run_repl(notebook, folder, root, build, repl):
    """All cells through clang-repl, which finds the headers as the README says."""
    flags = [f"--Xcc={flag}" for flag in REPL_FLAGS]
    cells = [text for _, text in texts(notebook, build)]
    return execute([repl, *flags, *cells], folder, CPLUS_INCLUDE_PATH=str(root))


def program(notebook, build):
    """The notebook as a program: preamble and declarations at file scope, statements in main."""
    outside, inside = [], []
    for number, text in texts(notebook, build):
        (inside if kind(text) == "statements" else outside).append(f'#line 1 "cell {number}"\n{text}\n')
    return "".join(outside) + "int main() {\n" + "".join(inside) + "}\n"


def run_plain(notebook, folder, root, build, compiler, flags):
    """Compiled and run in the notebook's folder."""
    with tempfile.TemporaryDirectory() as work:
        main, binary = Path(work) / "main.cpp", Path(work) / "main"
        main.write_text(program(notebook, build), encoding="utf-8")
        libraries = [f"-L{build}/lib", f"-Wl,-rpath,{build}/lib", "-lgemma_viz", "-lgemma", "-lfmt"]
        status, output = execute([compiler, "-std=c++17", "-O0", *flags, "-I", str(root), "-iquote", str(folder),
                                  str(main), "-o", str(binary), *libraries], folder)
        return (status, output) if status != 0 else execute([str(binary)], folder)


def faults_of_run(notebook, status, output):
    if status != 0:
        yield f"exit status {status}, expected 0"
    for text in expected(notebook):
        if text not in output:
            yield f"the output lacks {text!r}"
