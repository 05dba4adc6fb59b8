"""Holds a lesson's prose to what its program prints.

    readme_test.py PROGRAM README    the program and the README.md of its lesson
    readme_test.py --self-test       whether this test finds what it should find

The README:
  - each line of a block marked ```output is printed by the program, but for spaces at its ends; a line … is left out
  - each decimal number and each whole number of three or more digits in the prose is printed by the program; what does
    not count: code, links' targets, headings, years, numbers of sections, tables, figures and equations
  - each picture ![…](name.svg) is there and is the one that --figures writes
Processors sum in different orders, so the last digits of a decimal number in an excerpt or a picture may differ by one.
The program:
  - prints the same when it runs again, but for lines that say "measured" and tables with a column that says so
  - fits 100 columns
  - exits with 0 after --help
  - refuses an unknown option, and a file or a folder that cannot be written, in one line with exit code 2, at once
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal

FENCE = re.compile(r"^[ \t]*```([^\n]*)\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:,\d{3})+(?:\.\d+)?(?:[eE][-+]?\d+)?|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

# What is no prose, or names no quantity.
NO_QUANTITY = [
    FENCE,
    re.compile(r"`[^`\n]*`"),
    re.compile(r"^#.*$", re.MULTILINE),
    re.compile(r"<https?://[^>\s]*>|https?://[^\s)]*"),
    re.compile(r"(?<=\])\([^)]*\)"),
    re.compile(r"</?[a-z][^>]*>"),
    re.compile(r"\barXiv:\s*\d+\.\d+", re.IGNORECASE),
    re.compile(r"\b(?:section|sec\.|§|table|figure|fig\.|equation|eq\.|page|appendix|chapter)s?\s*\(?\d+(?:\.\d+)*"
               r"(?:\)?(?:\s*,\s*|\s*(?:,\s*)?(?:and|to|or|–|-)\s*)\(?\d+(?:\.\d+)+)*", re.IGNORECASE),
    re.compile(r"(?<![\w.,])(?:19|20)\d\d(?![\d.]\d|,\d{3})"),
]


def without_separators(text):
    """10{,}000 and 10\\,000 of formulas, and thin spaces, as 10,000."""
    text = re.sub(r"(?<=\d)(?:\{,\}|\\,)(?=\d{3})", ",", text)
    return re.sub("(?<=\\d)[\u2009\u202f](?=\\d{3})", ",", text)


def value(number):
    return Decimal(number.replace(",", ""))


def numbers_of_prose(readme):
    """The decimal numbers, and the whole numbers of three or more digits, as they are written."""
    prose = readme
    for pattern in NO_QUANTITY:
        prose = pattern.sub(" ", prose)
    found = []
    for match in NUMBER.finditer(without_separators(prose)):
        begin = match.start()
        attached = begin > 0 and re.match(r"[A-Za-z_]", match.string[begin - 1])  # float32
        whole = match.group().split("e")[0].split("E")[0].replace(",", "")
        if not attached and ("." in whole or len(whole) >= 3):
            found.append(match.group())
    return found


def wrong_numbers(readme, output):
    printed = {value(number) for number in NUMBER.findall(without_separators(output))}
    return [f"the prose says {number}, the program does not" for number in dict.fromkeys(numbers_of_prose(readme))
            if value(number) not in printed]


def same_number(a, b):
    """Equal, or decimal and apart by one in the last place."""
    a, b = a.replace(",", ""), b.replace(",", "")
    last_place = Decimal(10) ** min(0, Decimal(a).as_tuple().exponent, Decimal(b).as_tuple().exponent)
    return abs(Decimal(a) - Decimal(b)) <= (last_place if "." in a + b else 0)


def same_colour(a, b):
    return all(abs(int(a[i:i + 2], 16) - int(b[i:i + 2], 16)) <= 1 for i in (1, 3, 5))


def same_text(a, b):
    """Equal, but for the last digits of decimal numbers, and colours that follow from them."""
    if a == b:
        return True
    token = re.compile(r"#[0-9a-f]{6}\b|" + NUMBER.pattern)
    if token.split(a) != token.split(b):
        return False
    return all(same_colour(x, y) if x[0] == y[0] == "#" else "#" not in x[0] + y[0] and same_number(x, y)
               for x, y in zip(token.findall(a), token.findall(b)))


def wrong_excerpts(readme, output):
    printed = [line.strip() for line in output.splitlines()]
    shown = [line.strip() for mark, block in FENCE.findall(readme) if mark.strip() == "output"
             for line in block.splitlines() if line.strip() not in ("", "…")]
    return [f"an excerpt has a line that the program does not print: {line}" for line in shown
            if line not in printed and not any(same_text(line, other) for other in printed)]


def wrong_pictures(readme, folder, written):
    """`folder` is the README's, `written` that of --figures."""
    complaints = []
    for name in re.findall(r"!\[[^\]]*\]\(([^)\s]*\.svg)\)", FENCE.sub("", readme)):
        if not (folder / name).is_file():
            complaints.append(f"there is no picture {name}")
        elif not (written / name).is_file():
            complaints.append(f"--figures does not write {name}")
        elif not same_text((folder / name).read_text(encoding="utf-8"), (written / name).read_text(encoding="utf-8")):
            complaints.append(f"{name} is not what --figures writes")
    return complaints


def wide_lines(output):
    return [f"a line has {len(line)} columns, expected at most 100: {line}"
            for line in output.splitlines() if len(line) > 100]


def without_measured(output):
    """The lines that must not change from run to run."""
    kept, lines, in_measured_table = [], output.splitlines(), False
    for i, line in enumerate(lines):
        if not line.strip():
            in_measured_table = False
        elif i + 1 < len(lines) and re.match(r"\s*─", lines[i + 1]):
            in_measured_table = "measured" in line
        if not in_measured_table and "measured" not in line:
            kept.append(line)
    return kept


def changed_lines(first, second):
    first, second = without_measured(first), without_measured(second)
    if len(first) != len(second):
        return [f"a second run prints {len(second)} lines, the first {len(first)}"]
    return [f"a second run prints another line: {b.strip()} (before: {a.strip()})"
            for a, b in zip(first, second) if a != b]


def run(program, *arguments, folder):
    result = subprocess.run([str(program), *arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, encoding="utf-8")
    return result.returncode, result.stdout, result.stderr


def wrong_exit(program, folder, expected, *arguments):
    code, _, errors = run(program, *arguments, folder=folder)
    if code == expected:
        return []
    return [f"{' '.join(arguments) or 'the program'} exits with {code}, expected {expected}: {errors.strip()}"]


def wrong_refusal(program, folder, *arguments):
    code, output, errors = run(program, *arguments, folder=folder)
    if code == 2 and output == "" and errors.startswith(f"{program.name}: ") and errors.count("\n") == 1:
        return []
    return [f"{' '.join(arguments)} exits with {code} and prints {len(output)} characters and the error \"{errors}\", "
            f"expected 2, nothing and one line from {program.name}"]


def complaints_about(program, readme_file):
    readme = readme_file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        _, output, _ = run(program, folder=folder)
        code, again, errors = run(program, "--figures", "pictures", folder=folder)
        again = "".join(line for line in again.splitlines(True) if not line.rstrip().endswith("pictures: pictures"))
        failed = [] if code == 0 else [f"--figures exits with {code}, expected 0: {errors.strip()}"]
        return (failed + wrong_excerpts(readme, output) + wrong_numbers(readme, output)
                + wrong_pictures(readme, readme_file.parent, pathlib.Path(folder) / "pictures")
                + wide_lines(output) + changed_lines(output, again)
                + wrong_exit(program, folder, 0, "--help")
                + wrong_refusal(program, folder, "--no-such-option")
                + wrong_refusal(program, folder, "--html", "none/page.html")
                + wrong_refusal(program, folder, "--figures", str(readme_file)))


class SelfTest(unittest.TestCase):
    OUTPUT = ("  layer   norm\n  ─────  ─────\n      0  1.250\n      1  -0.17\n\n"
              "  2,506,172,416 parameters, at most 4.73e-04 away\n")

    def test_an_excerpt_that_is_printed(self):
        readme = "```output\nlayer   norm\n…\n    1  -0.17\n```\n"
        self.assertEqual(wrong_excerpts(readme, self.OUTPUT), [])

    def test_an_excerpt_that_is_not_printed(self):
        for line in ("0  1.252", "1  1.250", "0 1.250", "layer", "1  0.17", "2,506,172,417 parameters, at most 4.73e-04 away"):
            self.assertEqual(len(wrong_excerpts(f"```output\n{line}\n```\n", self.OUTPUT)), 1, line)

    def test_the_last_digit_of_a_decimal_number_is_the_processors(self):
        self.assertEqual(wrong_excerpts("```output\n 0  1.251\n```\n", self.OUTPUT), [])
        self.assertTrue(same_text("9.9999 M 1.5 #fdf0e0", "10.0000 M 1.6 #fcf1e0"))
        for a, b in (("1.5", "1.7"), ("15", "16"), ("1.5", "-1.5"), ("#fdf0e0", "#fdf2e0"), ("1.5 a", "1.5 b")):
            self.assertFalse(same_text(a, b), (a, b))

    def test_only_blocks_marked_output_are_excerpts(self):
        self.assertEqual(wrong_excerpts("```\nlessons/run 99\n```\n\n```output\n  1  -0.17\n```\n", self.OUTPUT), [])
        self.assertEqual(len(wrong_excerpts("```\na\n```\n\n```output\nb\n```\n", self.OUTPUT)), 1)

    def test_numbers_that_are_printed(self):
        for text in ("It is 1.25.", "It is 1.250, no more.", "falls to −0.17", "2,506,172,416 parameters",
                     "$2{,}506{,}172{,}416$", "2506172416 numbers", "at most 4.73e-4", "at most 0.000473"):
            self.assertNotEqual(numbers_of_prose(text), [], text)
            self.assertEqual(wrong_numbers(text, self.OUTPUT), [], text)

    def test_numbers_that_are_not_printed(self):
        for text in ("It is 1.26.", "2,506,172,417 parameters", "$y = 0.044715 x^3$", "a table | 512 |", "256-wide",
                     "[0.5 in a link's text](a.md)", "in 1,950 steps", "between 1.25 and 1.75", "4.73e-5"):
            self.assertEqual(len(wrong_numbers(text, self.OUTPUT)), 1, text)

    def test_what_is_no_quantity(self):
        for text in ("`0.5` in code", "```\n0.5\n```", "# Lesson 10: 0.5", "[a](0.5/999.md)", "<https://a.org/9.9>",
                     "https://arxiv.org/abs/1606.08415", "arXiv:1606.08415", "(Su et al. 2021)", "in 1997.",
                     "section 3.4", "sections 5.1 and 5.2", "Table 123", "float32", "99 heads", "1. first",
                     "<img width=\"480\">"):
            self.assertEqual(numbers_of_prose(text), [], text)

    def test_columns(self):
        self.assertEqual(wide_lines("─" * 100), [])
        self.assertEqual(len(wide_lines("─" * 101)), 1)

    def test_a_second_run(self):
        table = "  what  measured ms\n  ────  ───────────\n  a     {}\n\n  {}\n"
        self.assertEqual(changed_lines(table.format(1, 5), table.format(2, 5)), [])
        self.assertEqual(len(changed_lines(table.format(1, 5), table.format(1, 6))), 1)
        self.assertEqual(changed_lines("measured: 1\nb", "measured: 2\nb"), [])
        self.assertEqual(len(changed_lines("a", "a\nb")), 1)

    def test_pictures(self):
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            folder, written = pathlib.Path(first), pathlib.Path(second)
            for name, content, rewritten in (("same", "a", "a"), ("other", "M 1.5", "M 1.7"), ("kept", "a", None)):
                (folder / f"{name}.svg").write_text(content)
                if rewritten:
                    (written / f"{name}.svg").write_text(rewritten)
            self.assertEqual(wrong_pictures("![x](same.svg)", folder, written), [])
            for name in ("other", "kept", "missing"):
                self.assertEqual(len(wrong_pictures(f"![x]({name}.svg)", folder, written)), 1, name)


def main(arguments):
    if arguments == ["--self-test"]:
        return 0 if unittest.main(argv=[sys.argv[0]], exit=False).result.wasSuccessful() else 1
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    complaints = complaints_about(pathlib.Path(arguments[0]).resolve(), pathlib.Path(arguments[1]).resolve())
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
