#!/usr/bin/env python3
"""The panels of a trace's page in a real browser: what they show, against numbers computed here from the trace file.

Needs Chromium and its chromedriver, and the program.

example:
  python3 panels_test.py build/release/bin/gemma
"""

import array
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from browser import Browser

NANO = os.path.join(HERE, "..", "..", "lessons", "nano")
PROMPT = "Anna gave the ball to Tom. Now the ball belongs to"
CHANGED = "model.layers.2.mlp.up_proj"  # the tensor of the second trace that is not the first's
LAYER, HEAD = 2, 1


class Tensors:
    """A .safetensors file: tensors of float32 or bfloat16 as flat arrays."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        size, = struct.unpack_from("<Q", self.bytes)
        self.header = json.loads(self.bytes[8:8 + size])
        self.start = 8 + size

    def place(self, name):
        begin, end = self.header[name]["data_offsets"]
        return self.start + begin, self.start + end

    def shape(self, name):
        return self.header[name]["shape"]

    def numbers(self, name):
        begin, end = self.place(name)
        kind = self.header[name]["dtype"]
        if kind == "I64":
            return list(struct.unpack(f"<{(end - begin) // 8}q", self.bytes[begin:end]))
        if kind == "F32":
            return array.array("f", self.bytes[begin:end])
        assert kind == "BF16", kind
        wide = bytearray(2 * (end - begin))  # a bfloat16 is the upper half of a float32
        wide[2::4], wide[3::4] = self.bytes[begin:end:2], self.bytes[begin + 1:end:2]
        return array.array("f", bytes(wide))

    def row(self, name, *index):
        """The numbers behind the first axes' indices."""
        shape, place = self.shape(name), 0
        for axis, i in enumerate(index):
            place = place * shape[axis] + i
        size = math.prod(shape[len(index):])
        return self.numbers(name)[place * size:(place + 1) * size]


def write_changed(source, target):
    """A copy with one number of CHANGED moved, and with one score that the mask takes away."""
    tensors = Tensors(source)
    content = bytearray(tensors.bytes)

    def add(name, i, amount):
        place = tensors.place(name)[0] + 4 * i
        number, = struct.unpack_from("<f", content, place)
        struct.pack_into("<f", content, place, number + amount)
        return number, struct.unpack_from("<f", content, place)[0]

    T = tensors.shape("model.layers.0.self_attn.scores")[2]
    add("model.layers.0.self_attn.scores", T - 1, 1000.0)  # token 0's score of the last token
    columns = tensors.shape(CHANGED)[1]
    numbers = add(CHANGED, 3 * columns + 17, 0.01)
    with open(target, "wb") as file:
        file.write(content)
    return numbers


def softmax(logits, temperature=1.0):
    top = max(logits)
    weights = [math.exp((x - top) / temperature) for x in logits]
    return [w / sum(weights) for w in weights]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def length(a):
    return math.sqrt(dot(a, a))


def number(text):
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace(",", ""))


def share(text):
    """A percentage as the page writes it, as (share, half a unit of its last digit)."""
    digits = re.search(r"(\d+(?:\.(\d+))?) %", text)
    return float(digits[1]) / 100, 0.5 * 10.0 ** -len(digits[2] or "") / 100


class PanelTest(unittest.TestCase):
    """One browser and two pages for all: of two traces of a prompt, and of a generated text."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        at = lambda name: os.path.join(cls.folder.name, name)
        run = lambda *words: subprocess.run([PROGRAM, *words], check=True, capture_output=True, text=True).stdout
        run("trace", "--prompt", PROMPT, "--out", at("prompt.safetensors"))
        run("trace", "--prompt", "Once upon a time", "--generate", "12", "--out", at("generated.safetensors"))
        cls.trace, cls.generated = Tensors(at("prompt.safetensors")), Tensors(at("generated.safetensors"))
        cls.changed_numbers = write_changed(at("prompt.safetensors"), at("changed.safetensors"))
        run("view", at("prompt.safetensors"), at("changed.safetensors"), "--out", at("prompt.html"))
        run("view", at("generated.safetensors"), "--out", at("generated.html"))
        cls.run_program, cls.at = staticmethod(run), staticmethod(at)
        cls.browser = Browser()

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.folder.cleanup()

    def open(self, page="prompt.html", panel=None):
        self.browser.open("file://" + self.at(page))
        if panel:
            self.show(panel)
        self.T = len(self.trace.numbers("tokens"))
        self.choose_token(self.T - 1)

    def show(self, panel):
        """Scrolls to a panel until it is built and stays: those above it are built on the way and push it down."""
        place = f"document.getElementById('{panel}')"
        calm = 0
        while calm < 5:
            before = self.browser.script(f"{place}.scrollIntoView(); return {place}.getBoundingClientRect().top")
            self.browser.wait(f"document.querySelector('#{panel} .panel-body').childElementCount > 0")
            time.sleep(0.03)
            after = self.browser.script(f"return {place}.getBoundingClientRect().top")
            calm = calm + 1 if abs(after - before) < 1 else 0

    def tearDown(self):
        self.assertEqual(self.browser.errors(), [])

    def choose_token(self, token):
        self.browser.script(f"gemma.select({{token: {token}}})")

    def choose_head(self, layer, head):
        self.browser.script(f"gemma.select({{layer: {layer}, head: {head}}})")

    def text(self, selector):
        return self.browser.script(f"return document.querySelector({json.dumps(selector)}).innerText")

    def texts(self, selector):
        return self.browser.script(
            f"return Array.from(document.querySelectorAll({json.dumps(selector)}), (e) => e.textContent)")

    def slide(self, panel, label, value):
        """Moves the slider with this label to where it reads `value`, with the arrow keys' event."""
        found = self.browser.script("""
            const [panel, label, value] = arguments;
            const slider = Array.from(document.querySelectorAll(`#${panel} .slider`))
                .find((slider) => slider.querySelector('label').textContent === label);
            const input = slider.querySelector('input');
            for (let at = Number(input.min); at <= Number(input.max) + 1e-9; at += Number(input.step)) {
                input.value = at;
                input.dispatchEvent(new Event('input', {bubbles: true}));
                if (slider.querySelector('output').textContent === value) return true;
            }
            return false;""", panel, label, value)
        self.assertTrue(found, f"{label} never reads {value}")


class Attention(PanelTest):
    def shares(self, token):
        return self.trace.row(f"model.layers.{LAYER}.self_attn.probs", HEAD, token)

    def check_text(self, token):
        """The percentages under the tokens are the row's."""
        shown = self.texts("#attention .token-text .token .share")
        for t, p in enumerate(self.shares(token)):
            if t <= token and p >= 0.0105:
                percent, half = share(shown[t])
                self.assertAlmostEqual(percent, p, delta=half * 1.01)
            if t > token or p < 0.0095:
                self.assertEqual(shown[t], "")

    def test_hover_lock_and_keys(self):
        self.open(panel="attention")
        self.browser.click(f'#attention .small-map[data-layer="{LAYER}"][data-head="{HEAD}"]')
        self.check_text(self.T - 1)
        chip = lambda token: f'#attention .token[data-token="{token}"]'

        self.browser.hover(chip(6))
        self.check_text(6)
        readout = self.text("#attention [role=status]")
        percents = [share(found)[0] for found in re.findall(r"[\d.]+ %", readout)]
        for percent, p in zip(percents, sorted(self.shares(6), reverse=True)):
            self.assertAlmostEqual(percent, p, delta=0.00051)

        self.browser.click(chip(7))  # locked
        self.check_text(7)
        self.browser.hover(chip(2))
        self.check_text(7)
        percent, half = share(self.text("#attention [data-of=attention-pair]"))
        self.assertAlmostEqual(percent, self.shares(7)[2], delta=half * 1.01)
        self.browser.click(chip(7))  # let go
        self.browser.hover(chip(2))
        self.check_text(2)

        self.browser.script(f"document.querySelector({json.dumps(chip(7))}).focus()")
        self.browser.keys("ArrowRight")
        self.assertEqual(self.browser.script("return gemma.selection.token"), 8)
        self.browser.hover("#attention h2")
        self.check_text(8)

    def test_who_looks_at_it_is_a_column(self):
        self.open(panel="attention")
        self.choose_head(LAYER, HEAD)
        self.browser.script("document.querySelector('#attention .choice input[value=seen]').click()")
        self.choose_token(4)
        shown = self.texts("#attention .token-text .token .share")
        for t in range(self.T):
            p = self.shares(t)[4] if t >= 4 else 0
            if p >= 0.0105:
                percent, half = share(shown[t])
                self.assertAlmostEqual(percent, p, delta=half * 1.01)
            elif p < 0.0095:
                self.assertEqual(shown[t], "")

    def test_table_holds_all_heads(self):
        self.open(panel="attention")
        self.choose_head(LAYER, HEAD)
        self.browser.script("for (const d of document.querySelectorAll('#attention details')) d.open = true")
        heads = self.trace.shape(f"model.layers.{LAYER}.self_attn.probs")[0]
        rows = ".main-side > details.numbers tbody tr"
        self.browser.wait(f"document.querySelectorAll('#attention {rows}').length > 0")
        cells = self.texts(f"#attention {rows} td")
        self.assertEqual(len(cells), self.T * heads)
        for i, cell in enumerate(cells):
            p = self.trace.row(f"model.layers.{LAYER}.self_attn.probs", i % heads, self.T - 1)[i // heads]
            if p >= 0.002:
                self.assertAlmostEqual(share(cell)[0], p, delta=0.00051)


class Rope(PanelTest):
    j, key = 5, 3

    def vectors(self):
        name = f"model.layers.{LAYER}.self_attn."
        H, K = self.trace.shape(name + "q_proj")[1], self.trace.shape(name + "k_proj")[1]
        return (self.trace.row(name + "q_proj", self.T - 1, HEAD),
                self.trace.row(name + "k_proj", self.key, HEAD // (H // K)))

    def turned(self, x, j, position):
        d = len(x)
        angle = position * 10000.0 ** (-2 * j / d)
        a, b, cos, sin = x[j], x[j + d // 2], math.cos(angle), math.sin(angle)
        return [a * cos - b * sin, a * sin + b * cos]

    def product(self, j, m, n):
        q, k = self.vectors()
        return dot(self.turned(q, j, m), self.turned(k, j, n))

    def set_up(self):
        self.open(panel="rope")
        self.choose_head(LAYER, HEAD)
        self.browser.script(f"""const list = Array.from(document.querySelectorAll('#rope .list'))
            .find((list) => list.textContent.startsWith('key')).querySelector('select');
            list.value = '{self.key}'; list.dispatchEvent(new Event('change'));""")
        self.slide("rope", "pair j", str(self.j))

    def table(self):
        cells = [number(text) for text in self.texts("#rope .products tbody td")]
        return cells[:3], cells[3:6], cells[6:]

    def test_products_are_those_of_the_trace(self):
        self.set_up()
        plane, head, score = self.table()
        q, k = self.vectors()
        d, m, n = len(q), self.T - 1, self.key
        close = lambda shown, expected: self.assertAlmostEqual(shown, expected, delta=1e-6 * max(1, abs(expected)))
        close(plane[0], self.product(self.j, 0, 0))
        close(plane[1], self.product(self.j, m, n))
        close(head[1], sum(self.product(j, m, n) for j in range(d // 2)))
        close(score[1], head[1] / math.sqrt(d))
        # What the model itself computed, in float32.
        scores = self.trace.row(f"model.layers.{LAYER}.self_attn.scores", HEAD, m)
        self.assertAlmostEqual(score[1], scores[n], delta=1e-5 * max(map(abs, scores)))

    def test_shifting_both_changes_the_arrows_and_not_the_product(self):
        self.set_up()
        arrow = lambda: self.browser.script(
            "return document.querySelector('#rope figure:nth-child(2) .arrow.query:not(.ghost) line').getAttribute('x2')")
        before = arrow()
        self.slide("rope", "shift both", "37")
        self.assertNotEqual(arrow(), before)
        for line in self.table():
            self.assertAlmostEqual(line[2], line[1], delta=1e-7 * max(1, abs(line[1])))
        # Shifting one alone changes it.
        fixed = self.table()[0][1]
        self.slide("rope", "position of the query", str(self.T + 1))
        moved = self.table()[0][1]
        self.assertAlmostEqual(moved, self.product(self.j, self.T + 1, self.key), delta=1e-6)
        self.assertGreater(abs(moved - fixed), 1e-4)

    def test_agrees_with_the_rotated_tensors(self):
        self.set_up()
        shown = number(re.search(r"at most (\S+) of its", self.text("#rope [data-of=rope-proof]"))[1])
        worst, name = 0, f"model.layers.{LAYER}.self_attn."
        H, K = self.trace.shape(name + "q_proj")[1], self.trace.shape(name + "k_proj")[1]
        for kind, head in (("q", HEAD), ("k", HEAD // (H // K))):
            difference = largest = 0
            for t in range(self.T):
                plain = self.trace.row(name + kind + "_proj", t, head)
                rotated = self.trace.row(name + kind + "_rope", t, head)
                largest = max(largest, *map(abs, rotated))
                for j in range(len(plain) // 2):
                    a, b = self.turned(plain, j, t)
                    difference = max(difference, abs(a - rotated[j]), abs(b - rotated[j + len(plain) // 2]))
            worst = max(worst, difference / largest)
        self.assertAlmostEqual(shown, worst, delta=0.06 * worst)
        self.assertLess(worst, 1e-5)


class Activation(PanelTest):
    def test_points_lie_on_the_tanh_form(self):
        self.open(panel="activation")
        self.choose_head(LAYER, 0)
        gate, act = (self.trace.row(f"model.layers.{LAYER}.mlp.{part}", self.T - 1) for part in ("gate_proj", "act_fn"))
        forms = [lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
                 lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
                 lambda x: x / (1 + math.exp(-1.702 * x))]
        text = self.text("#activation [data-of=activation-fit]")
        shown = [number(found) for found in re.findall(r"(\S+) of the (?:tanh|exact|sigmoid)", text)]
        expected = [max(abs(form(x) - y) for x, y in zip(gate, act)) for form in forms]
        self.assertEqual(len(shown), 3)
        for found, right in zip(shown, expected):
            self.assertAlmostEqual(found, right, delta=0.06 * right)
        self.assertIn(f"{sum(x > 0 for x in gate)} of {len(gate)} gates", text)

    def test_a_unit_is_read_under_the_pointer(self):
        self.open(panel="activation")
        self.choose_head(LAYER, 0)
        self.browser.script("document.querySelector('#activation .strip').scrollIntoView({block: 'center'})")
        self.browser.hover("#activation .strip", dx=-30)
        text = self.text("#activation [data-of=activation-unit]")
        unit = int(re.match(r"unit (\d+)", text)[1])
        shown = [number(found) for found in re.findall(r"(−?[\d.e−]+)(?:,|$)", text)]
        for found, part in zip(shown, ("gate_proj", "act_fn", "up_proj", "gated"), strict=True):
            right = self.trace.row(f"model.layers.{LAYER}.mlp.{part}", self.T - 1)[unit]
            self.assertAlmostEqual(found, right, delta=1e-4 * max(1, abs(right)))


class Residual(PanelTest):
    def test_what_is_added(self):
        self.open(panel="residual")
        shown = [number(text) for text in self.texts("#residual .additions span.figure")]
        row = lambda name: self.trace.row(name, self.T - 1)
        stream, expected, layer = row("model.embed_scaled"), [], 0
        while f"model.layers.{layer}" in self.trace.header:
            for part in ("self_attn.o_proj", "mlp.down_proj"):
                added = row(f"model.layers.{layer}.{part}")
                expected += [length(added), dot(added, stream) / length(added) / length(stream)]
                stream = [a + b for a, b in zip(stream, added)]  # the sum itself, not the trace's
            layer += 1
        self.assertEqual(len(shown), len(expected))
        for i, (found, right) in enumerate(zip(shown, expected)):
            self.assertAlmostEqual(found, right, delta=0.0051 if i % 2 else 0.006 * right)

    def test_lens(self):
        """The stream after a layer through the final norm and the embedding, computed here from the weights."""
        self.open(panel="residual")
        layer, token = LAYER, self.T - 1
        weights = Tensors(os.path.join(NANO, "model.safetensors"))
        stream = self.trace.row(f"model.layers.{layer}", token)
        scale = 1 / math.sqrt(dot(stream, stream) / len(stream) + 1e-6)
        normed = [x * scale * (1 + w) for x, w in zip(stream, weights.numbers("model.norm.weight"))]
        V, D = weights.shape("model.embed_tokens.weight")
        table = weights.numbers("model.embed_tokens.weight")
        shares = softmax([dot(normed, table[v * D:(v + 1) * D]) for v in range(V)])
        likeliest = sorted(range(V), key=lambda v: -shares[v])[:5]
        listing = self.run_program("trace", "--tokens", ",".join(map(str, likeliest)), "--names", "model.embed_tokens",
                                   "--out", self.at("pieces.safetensors"))
        pieces = re.findall(r"^ +\d+ +\d+ +(\S+)$", listing, re.MULTILINE)
        self.assertEqual(len(pieces), 5)

        cell = f'#residual .lens button[data-layer="{layer}"][data-token="{token}"]'
        self.assertEqual(self.text(cell), pieces[0])
        self.browser.script(f"document.querySelector({json.dumps(cell)}).scrollIntoView({{block: 'center'}})")
        self.browser.hover(cell)
        text = self.text("#residual [data-of=lens]")
        for found, piece, v in zip(re.findall(r"“([^”]*)” ([^,]*? %)", text.split("go on with:")[1]), pieces, likeliest, strict=True):
            self.assertEqual(found[0], piece)
            if shares[v] > 0.001:
                self.assertAlmostEqual(share(found[1])[0], shares[v], delta=0.00052)


class NextToken(PanelTest):
    def rows(self):
        return self.browser.script("""return Array.from(document.querySelectorAll('#next-token .token-bars tbody tr'),
            (tr) => [Number(tr.dataset.id), tr.classList.contains('faded'), tr.querySelector('.figure').textContent,
                     tr.querySelector('.remark').textContent])""")

    def entropy(self):
        return float(re.search(r"entropy ([\d.]+) bits", self.text("#next-token [data-of=entropy]"))[1])

    def test_temperature_and_top_k(self):
        self.open(panel="next-token")
        self.choose_token(3)  # where the model is not sure
        logits = self.trace.row("lm_head", 3)
        likeliest = sorted(range(len(logits)), key=lambda v: (-logits[v], v))
        for temperature, k in ((0.5, 5), (1.5, 3)):
            self.slide("next-token", "temperature", f"{temperature:.2f}")
            self.slide("next-token", "top-k", str(k))
            expected = softmax([logits[v] for v in likeliest[:k]], temperature)
            rows = self.rows()
            self.assertEqual([row[0] for row in rows[:k]], likeliest[:k])
            for (_, faded, text, _), p in zip(rows, expected):
                self.assertFalse(faded)
                self.assertAlmostEqual(share(text)[0], p, delta=0.00051)
            self.assertTrue(all(faded and "top-k" in remark for _, faded, _, remark in rows[k:]))
            self.assertAlmostEqual(self.entropy(), -sum(p * math.log2(p) for p in expected), delta=0.00051)

    def test_top_p_sees_what_top_k_left(self):
        self.open(panel="next-token")
        self.choose_token(3)
        logits = self.trace.row("lm_head", 3)
        likeliest = sorted(range(len(logits)), key=lambda v: (-logits[v], v))
        self.slide("next-token", "temperature", "2.00")
        self.slide("next-token", "top-k", "8")
        self.slide("next-token", "top-p", "0.60")
        of_k = softmax([logits[v] for v in likeliest[:8]], 2.0)
        kept = next(n for n in range(1, 9) if sum(of_k[:n]) >= 0.6)
        rows = self.rows()
        self.assertEqual([faded for _, faded, _, _ in rows], [False] * kept + [True] * (len(rows) - kept))
        for (_, _, text, _), p in zip(rows, of_k[:kept]):
            self.assertAlmostEqual(share(text)[0], p / sum(of_k[:kept]), delta=0.00051)

    def test_temperature_zero_is_greedy(self):
        self.open(panel="next-token")
        self.choose_token(3)
        self.slide("next-token", "temperature", "0: the likeliest")
        self.assertEqual([row[1] for row in self.rows()].count(False), 1)
        self.assertEqual(self.entropy(), 0)


class Decode(PanelTest):
    def test_steps(self):
        self.open("generated.html", "decode")
        tokens = self.generated.numbers("tokens")
        prompt = int(self.generated.header["__metadata__"]["prompt_tokens"])
        rows = self.generated.shape("lm_head")[0]
        for step in (1, 4, len(tokens) - prompt):
            self.slide("decode", "generated token", f"{step} of {len(tokens) - prompt}")
            place = prompt + step - 1
            logits = self.generated.row("lm_head", rows - len(tokens) + place - 1)
            p = softmax(logits)[tokens[place]]
            self.assertAlmostEqual(share(self.text("#decode [data-of=decode]"))[0], p, delta=0.00051)
            chosen = self.browser.script("return document.querySelector('#decode .token-bars tr.current').dataset.id")
            self.assertEqual(int(chosen), tokens[place])
            looked = self.generated.row("model.layers.0.self_attn.probs", 0, place - 1)
            shown = self.texts("#decode .token-text .share")
            for t in range(len(tokens)):
                if t < place and looked[t] >= 0.0105:
                    percent, half = share(shown[t])
                    self.assertAlmostEqual(percent, looked[t], delta=half * 1.01)
                if t >= place:
                    self.assertEqual(shown[t], "")

    def test_is_not_there_without_generated_tokens(self):
        self.open()
        self.assertFalse(self.browser.script("return document.getElementById('decode') !== null"))


class Compare(PanelTest):
    def test_first_divergence(self):
        self.open(panel="compare")
        self.browser.wait("document.querySelector('#compare [role=status]').textContent.includes('differ')")
        self.assertIn(f"The first divergence is {CHANGED}; 1 of", self.text("#compare [data-of=compare]"))
        self.assertEqual(self.text("#compare .opened h3"), CHANGED)

        before, after = self.changed_numbers
        largest = max(map(abs, self.trace.numbers(CHANGED)))
        opened = self.text("#compare [data-of=compare-opened]")
        self.assertIn("[3, 17]", opened)
        shown = [number(found) for found in re.search(r": (\S+) and (\S+), by (\S+), which is (\S+) of", opened).groups()]
        for found, right in zip(shown, (before, after, abs(before - after), abs(before - after) / largest)):
            self.assertAlmostEqual(found, right, delta=max(1e-6 * abs(right), 0.06 * abs(right) if right in (
                abs(before - after), abs(before - after) / largest) else 0))

        # The bar ends where the relative difference is on a scale from 1e-9 to 1.
        width = self.browser.script(f"""return parseFloat(document.querySelector(
            '#compare tr[data-name="{CHANGED}"] .bar-fill').style.width)""")
        self.assertAlmostEqual(width, 100 * (1 + math.log10(abs(before - after) / largest) / 9), delta=0.01)

    def test_scores_behind_the_mask_do_not_count(self):
        self.open(panel="compare")
        self.browser.wait("document.querySelector('#compare [role=status]').textContent.includes('differ')")
        row = '#compare tr[data-name="model.layers.0.self_attn.scores"]'
        self.assertEqual(self.text(row + " .figure"), "equal")
        self.browser.script(f"document.querySelector({json.dumps(row + ' button')}).click()")
        self.assertEqual(self.text("#compare [data-of=compare-opened]"), "The two are the same.")


class EveryPanel(PanelTest):
    def test_works_at_phone_width_and_in_the_dark(self):
        self.browser.size(360, 740)
        try:
            for page in ("prompt.html", "generated.html"):
                self.open(page)
                for theme in ("light", "dark"):
                    self.browser.script(f"gemma.setTheme('{theme}')")
                    for panel in self.browser.script("return Array.from(document.querySelectorAll('#panels section'), (s) => s.id)"):
                        self.show(panel)
                        wide = self.browser.script("return document.documentElement.scrollWidth - innerWidth")
                        self.assertLessEqual(wide, 0, panel)
                self.assertEqual(self.browser.script("return document.querySelectorAll('.panel-body .trouble:not([role])').length"), 0)
        finally:
            self.browser.size(1280, 900)

    def test_all_that_is_pressed_has_a_name(self):
        """Buttons, sliders, lists and pictures say what they are."""
        self.open()
        for panel in self.browser.script("return Array.from(document.querySelectorAll('#panels section'), (s) => s.id)"):
            self.show(panel)
        nameless = self.browser.script("""
            const named = (e) => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length ||
                (e.matches('button') && e.textContent.trim());
            return Array.from(document.querySelectorAll('#panels :is(button, input, select, svg, canvas)'))
                .filter((e) => !e.closest('[aria-hidden=true]') && !named(e)).map((e) => e.outerHTML.slice(0, 120))""")
        self.assertEqual(nameless, [])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("expected the path of the gemma program")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
