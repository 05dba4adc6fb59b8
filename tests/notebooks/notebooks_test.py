#!/usr/bin/env python3
"""Checks notebooks; --self-test checks the checks with notebooks that are broken on purpose.

  notebooks_test.py lint  NOTEBOOK ...
  notebooks_test.py repl  NOTEBOOK ... --build BUILD --clang-repl PROGRAM
  notebooks_test.py plain NOTEBOOK ... --build BUILD --compiler PROGRAM [--flags "..."]
  notebooks_test.py solution NOTEBOOK ...                 the same, with the exercise solved
"""

import argparse
import copy
import sys
import tempfile
from pathlib import Path

import make
import notebook as nb

ROOT = Path(__file__).resolve().parents[2]


def check(kind, notebook, folder, options):
    """What is wrong, in words, and what was written."""
    if kind == "lint":
        return list(nb.lint(notebook)), ""
    build = options.build.resolve()
    if kind == "solution":
        notebook = nb.solved(notebook)
    if kind == "repl":
        status, output = nb.run_repl(notebook, folder, ROOT, build, options.clang_repl)
    else:
        status, output = nb.run_plain(notebook, folder, ROOT, build, options.compiler, options.flags.split())
    faults = list(nb.faults_of_run(notebook, status, output))
    if kind == "solution" and nb.UNSOLVED in output:
        faults.append("the exercise does not notice its solution")
    return faults, output


def check_files(options):
    failed = False
    for path in options.notebooks:
        faults, output = check(options.kind, nb.read(path), path.resolve().parent, options)
        if options.output or (faults and output):
            print(output)
        for fault in faults:
            print(f"{path.name}: {options.kind}: {fault}")
        failed = failed or bool(faults)
    return 1 if failed else 0


# --- The checks, checked ---------------------------------------------------------------------------------------------

SOUND = f"""//%% markdown
# A notebook

//%% code
{nb.HEADER}  // not found? lessons/run

//%% code
#include "gemma/components/gelu.hpp"

//%% markdown
Half of 84:

//%% code
namespace nb {{

double half(double x) {{ return x / 2; }}

}}  // namespace nb

//%% code
double answer = nb::half(84);
std::cout << "the answer is " << answer << std::endl;

//%% code
for (int i = 0; i < 2; ++i) {{
    std::cout << "[" << i << "] {{" << std::endl;
}}

//%% markdown
GELU:

//%% code
if (gemma::gelu(20.0f) == 20.0f) std::cout << "open" << std::endl;
if (nb::half(2) < 2) std::cout << "not yet" << std::endl;

//%% expect
the answer is 42
open
not yet

//%% replace
return x / 2;
//%% by
return x < 3 ? x : 42;
"""

# What to replace in the sound notebook, by what, and the check that must find it.
BROKEN = {
    "lint": [
        ('#include "gemma', ' #include "gemma'),
        ('#include "gemma', '#define X 1\n#include "gemma'),
        ("../build/release/notebook.hpp", "notebook.hpp"),
        ("\n\n//%% code\n#include \"gemma", "\n#include \"gemma"),
        ("//%% code\ndouble answer", "//%% code\n#include <cmath>\n\n//%% code\ndouble answer"),
        ("namespace nb {", "namespace other {"),
        ("}  // namespace nb", "}\nint more;"),
        ("}  // namespace nb", ""),
        ("nb::half(84)", "[](double x) { return x; }(84)"),
        ("double answer", "struct S {};\ndouble answer"),
        ("double answer", "using D = double;\ndouble answer"),
        ("double answer", "double f(double x) { return x; }\ndouble answer"),
        ("double answer = nb::half(84);", "double answer =\n    nb::half(84);"),
        ("double answer", "%timeit\ndouble answer"),
        ("double answer", '\n#include <cmath>\ndouble answer'),
        ("answer << std::endl", 'answer << "\\n"'),
        ("std::cout << \"open\" << std::endl", 'std::printf("open")'),
        ("half(double x) {", "half(double x) {\n#include <cmath>\n"),
        ("//%% markdown\nHalf of 84:\n\n", ""),
        ("//%% markdown\n# A", "//%% code\n# A"),
        ("the answer is 42\nopen\nnot yet\n", ""),
    ],
    "run": [
        ("nb::half(84)", "nb::half(86)"),  # another number
        ("nb::half(84)", "nb::third(84)"),  # does not compile
        ("gemma::gelu(20.0f) == 20.0f", "nb::missing(1)"),
        ("double half(double x) { return x / 2; }", "double half(double x);"),  # a symbol is missing
        ("gemma::gelu(20.0f) == 20.0f", "gemma::gelu(20.0f) == 21.0f"),
        ("for (int i = 0;", 'throw 1;\nfor (int i = 0;'),  # an exception
    ],
}

BROKEN["solution"] = [
    ("return x < 3 ? x : 42;", "return x / 2;"),  # solves nothing
    ("x < 3 ? x : 42", "x"),  # another number
    ("x < 3", "y < 3"),  # does not compile
]

# What make.py cannot write: other metadata.
METADATA = [
    lambda notebook: notebook["cells"][1].update(execution_count=3),
    lambda notebook: notebook["cells"][1].update(outputs=[{"output_type": "stream"}]),
    lambda notebook: notebook["cells"][1].update(id="cell-01"),
    lambda notebook: notebook["cells"][1].pop("id"),
    lambda notebook: notebook["metadata"].update(kernelspec={**nb.KERNEL, "name": "xcpp14"}),
    lambda notebook: notebook.update(nbformat_minor=4),
]


# What the header says where something is missing: what is replaced in it, and the sentence.
MISSING = [
    ("libgemma_viz.so", "libnothing.so", "run lessons/run once in a terminal"),
    ('"gemma/tensor.hpp"', '"gemma/nothing.hpp"', "headers are not found: start Jupyter with CPLUS_INCLUDE_PATH="),
]


def untold(options):
    """The sentences that the header does not say."""
    header = (options.build / "notebook.hpp").read_text(encoding="utf-8")
    for found, changed, sentence in MISSING:
        assert found in header, found
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "cell.cpp").write_text(header.replace(found, changed), encoding="utf-8")
            status, output = nb.execute([options.compiler, "-std=c++17", "-fsyntax-only", "-I", str(ROOT), "cell.cpp"],
                                        folder)
            if status == 0 or sentence not in output:
                yield sentence
            if options.clang_repl:  # and lives on: a kernel that dies says nothing
                status, output = nb.execute([options.clang_repl, "--Xcc=-std=c++17", '#include "cell.cpp"'], folder,
                                            CPLUS_INCLUDE_PATH=str(ROOT))
                if status != 1 or sentence not in output:
                    yield f"{sentence} (clang-repl, exit status {status})"


def self_test(options):
    sound, folder = make.to_notebook(SOUND), ROOT / "notebooks"
    wrong = []
    kinds = ["lint"] + (["repl"] if options.clang_repl else []) + (["plain", "solution"] if options.compiler else [])
    if make.to_notebook(make.to_text(sound)) != sound:
        wrong.append("make.py changes a notebook on the way there and back")
    for kind in kinds:
        faults, output = check(kind, sound, folder, options)
        if faults:
            wrong.append(f"{kind}: finds a fault in a sound notebook: {faults}\n{output}")
        for found, changed in BROKEN.get(kind, BROKEN["run"]):
            assert found in SOUND, found
            broken = make.to_notebook(SOUND.replace(found, changed))
            if not check(kind, broken, folder, options)[0]:
                wrong.append(f"{kind}: {changed!r} in place of {found!r} was not noticed")
    for number, change in enumerate(METADATA):
        broken = copy.deepcopy(sound)
        change(broken)
        if not list(nb.lint(broken)):
            wrong.append(f"lint: change {number} of the metadata was not noticed")
    if options.compiler:
        wrong += [f"the header does not say: {sentence}" for sentence in untold(options)]
    print("\n".join(wrong) if wrong else f"the checks find what they should: {', '.join(kinds)}")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=["lint", "repl", "plain", "solution"])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--clang-repl")
    parser.add_argument("--compiler")
    parser.add_argument("--flags", default="", help="of the build, such as -fsanitize=address")
    parser.add_argument("--output", action="store_true", help="show what the cells write")
    options = parser.parse_args()
    if options.self_test:
        return self_test(options)
    if not options.kind or not options.notebooks:
        parser.error("a kind of check and a notebook are needed")
    if options.kind == "repl":
        options.clang_repl = options.clang_repl or "clang-repl-19"
    options.compiler = options.compiler or "g++"
    return check_files(options)


if __name__ == "__main__":
    sys.exit(main())
