#!/usr/bin/env python3
"""The panels of the page of `gemma view` in a real browser: what they show, against numbers computed here from the
trace file."""

import argparse
import json
import math
import re
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser
from trace import read_trace

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "lessons" / "nano"
PROMPT = "Anna gave the ball to Tom. Now the ball belongs to"
CHANGED = "model.layers.2.mlp.up_proj"  # the tensor of the second trace that is not the first's
LAYER, HEAD = 2, 1


def gemma(*arguments):
    return subprocess.run([options.gemma, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def read_weights(path, *names):
    """Tensors of a .safetensors file of bfloat16, as float64."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8:8 + length]), data[8 + length:]

    def tensor(entry):
        assert entry["dtype"] == "BF16", entry["dtype"]
        upper_halves = np.frombuffer(numbers[slice(*entry["data_offsets"])], np.uint16)
        return (upper_halves.astype(np.uint32) << 16).view(np.float32).astype(np.float64).reshape(entry["shape"])
    return [tensor(header[name]) for name in names]


def write_changed(source, target):
    """A copy with one number of CHANGED moved, and with one score that the mask takes away. Gives the number in both."""
    content = bytearray(source.read_bytes())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8:8 + length])

    def add(name, i, amount):
        place = 8 + length + header[name]["data_offsets"][0] + 4 * i
        number, = struct.unpack_from("<f", content, place)
        struct.pack_into("<f", content, place, number + amount)
        return number, struct.unpack_from("<f", content, place)[0]

    scores = "model.layers.0.self_attn.scores"
    add(scores, header[scores]["shape"][2] - 1, 1000.0)  # what token 0 would have scored the last token
    numbers = add(CHANGED, 3 * header[CHANGED]["shape"][1] + 17, 0.01)
    target.write_bytes(content)
    return numbers


def softmax(logits, temperature=1.0):
    weights = np.exp((np.asarray(logits, np.float64) - np.max(logits)) / temperature)
    return weights / weights.sum()


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
        cls.place = place = Path(cls.folder.name)
        gemma("trace", "--prompt", PROMPT, "--out", place / "prompt.safetensors")
        gemma("trace", "--prompt", "Once upon a time", "--generate", 12, "--out", place / "generated.safetensors")
        cls.changed_numbers = write_changed(place / "prompt.safetensors", place / "changed.safetensors")
        gemma("view", place / "prompt.safetensors", place / "changed.safetensors", "--out", place / "prompt.html")
        gemma("view", place / "generated.safetensors", "--out", place / "generated.html")
        cls.trace, _ = read_trace(place / "prompt.safetensors")
        cls.T = len(cls.trace["tokens"])
        cls.browser = Browser(options.chromium, options.chromedriver)
        cls.browser.resize(1280, 900)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def layer(self, part, layer=LAYER):
        """A tensor of a layer in double precision."""
        return self.trace[f"model.layers.{layer}" + (f".{part}" if part else "")].astype(np.float64)

    def open(self, page="prompt.html", panel=None):
        self.browser.open(self.place / page)
        if panel:
            self.show(panel)
        self.choose(token=self.T - 1)

    def show(self, panel):
        """Scrolls to a panel until it is built and stays: those above it are built on the way and push it down."""
        place = f"document.getElementById('{panel}')"
        calm = 0
        while calm < 5:
            before = self.run_script(f"{place}.scrollIntoView(); return {place}.getBoundingClientRect().top")
            self.wait(f"document.querySelector('#{panel} .panel-body').childElementCount > 0")
            time.sleep(0.03)
            after = self.run_script(f"return {place}.getBoundingClientRect().top")
            calm = calm + 1 if abs(after - before) < 1 else 0

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])

    def choose(self, **selection):
        self.run_script("gemma.select(arguments[0])", selection)

    def run_script(self, script, *arguments):
        return self.browser.run(script, *arguments)

    def wait(self, condition):
        """Until an expression is true in the page."""
        end = time.monotonic() + 20
        while not self.run_script(f"return Boolean({condition})"):
            self.assertLess(time.monotonic(), end, f"waited too long for: {condition}")
            time.sleep(0.03)

    def point(self, selector, dx=0, click=False):
        """Moves the pointer to the middle of an element, or beside it."""
        element = self.browser.driver.find_element(By.CSS_SELECTOR, selector)
        self.run_script("arguments[0].scrollIntoView({block: 'center'})", element)
        actions = ActionChains(self.browser.driver).move_to_element_with_offset(element, dx, 0)
        (actions.click() if click else actions).perform()

    def text(self, selector):
        return self.run_script(f"return document.querySelector({json.dumps(selector)}).innerText")

    def texts(self, selector):
        return self.run_script(
            f"return Array.from(document.querySelectorAll({json.dumps(selector)}), (e) => e.textContent)")

    def slide(self, panel, label, value):
        """Moves the slider with this label to where it reads `value`, with the arrow keys' event."""
        found = self.run_script("""
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
        return self.layer("self_attn.probs")[HEAD, token]

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
        self.point(f'#attention .small-map[data-layer="{LAYER}"][data-head="{HEAD}"]', click=True)
        self.check_text(self.T - 1)
        chip = lambda token: f'#attention .token[data-token="{token}"]'

        self.point(chip(6))
        self.check_text(6)
        readout = self.text("#attention [role=status]")
        percents = [share(found)[0] for found in re.findall(r"[\d.]+ %", readout)]
        for percent, p in zip(percents, sorted(self.shares(6), reverse=True)):
            self.assertAlmostEqual(percent, p, delta=0.00051)

        self.point(chip(7), click=True)  # locked
        self.check_text(7)
        self.point(chip(2))
        self.check_text(7)
        percent, half = share(self.text("#attention [data-of=attention-pair]"))
        self.assertAlmostEqual(percent, self.shares(7)[2], delta=half * 1.01)
        self.point(chip(7), click=True)  # let go
        self.point(chip(2))
        self.check_text(2)

        self.run_script(f"document.querySelector({json.dumps(chip(7))}).focus()")
        ActionChains(self.browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
        self.assertEqual(self.run_script("return gemma.selection.token"), 8)
        self.point("#attention h2")
        self.check_text(8)

    def test_who_looks_at_it_is_a_column(self):
        self.open(panel="attention")
        self.choose(layer=LAYER, head=HEAD)
        self.run_script("document.querySelector('#attention .choice input[value=seen]').click()")
        self.choose(token=4)
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
        self.choose(layer=LAYER, head=HEAD)
        self.run_script("for (const d of document.querySelectorAll('#attention details')) d.open = true")
        probs = self.layer("self_attn.probs")[:, -1]  # of the last token, for all heads
        rows = ".main-side > details.numbers tbody tr"
        self.wait(f"document.querySelectorAll('#attention {rows}').length > 0")
        cells = self.texts(f"#attention {rows} td")
        self.assertEqual(len(cells), probs.size)
        for i, cell in enumerate(cells):
            p = probs[i % len(probs), i // len(probs)]
            if p >= 0.002:
                self.assertAlmostEqual(share(cell)[0], p, delta=0.00051)


class Rope(PanelTest):
    j, key = 5, 3

    def key_head(self):
        return HEAD // (self.layer("self_attn.q_proj").shape[1] // self.layer("self_attn.k_proj").shape[1])

    def vectors(self):
        return self.layer("self_attn.q_proj")[-1, HEAD], self.layer("self_attn.k_proj")[self.key, self.key_head()]

    def turned(self, x, j, position):
        d = len(x)
        angle = position * 10000.0 ** (-2 * j / d)
        a, b, cos, sin = x[j], x[j + d // 2], math.cos(angle), math.sin(angle)
        return np.array([a * cos - b * sin, a * sin + b * cos])

    def product(self, j, m, n):
        q, k = self.vectors()
        return self.turned(q, j, m) @ self.turned(k, j, n)

    def set_up(self):
        self.open(panel="rope")
        self.choose(layer=LAYER, head=HEAD)
        self.run_script(f"""const list = Array.from(document.querySelectorAll('#rope .list'))
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
        scores = self.layer("self_attn.scores")[HEAD, m]
        self.assertAlmostEqual(score[1], scores[n], delta=1e-5 * np.abs(scores).max())

    def test_shifting_both_changes_the_arrows_and_not_the_product(self):
        self.set_up()
        arrow = lambda: self.run_script(
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
        worst = 0
        for kind, head in (("q", HEAD), ("k", self.key_head())):
            plain, rotated = (self.layer(f"self_attn.{kind}_{what}")[:, head] for what in ("proj", "rope"))
            pairs = plain.shape[1] // 2
            ours = np.array([[self.turned(x, j, t) for j in range(pairs)] for t, x in enumerate(plain)])
            theirs = np.stack([rotated[:, :pairs], rotated[:, pairs:]], axis=2)
            worst = max(worst, np.abs(ours - theirs).max() / np.abs(rotated).max())
        self.assertAlmostEqual(shown, worst, delta=0.06 * worst)
        self.assertLess(worst, 1e-5)


class Activation(PanelTest):
    def test_points_lie_on_the_tanh_form(self):
        self.open(panel="activation")
        self.choose(layer=LAYER)
        gate, act = (self.layer(f"mlp.{part}")[-1] for part in ("gate_proj", "act_fn"))
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
        self.choose(layer=LAYER)
        self.run_script("document.querySelector('#activation .strip').scrollIntoView({block: 'center'})")
        self.point("#activation .strip", dx=-30)
        text = self.text("#activation [data-of=activation-unit]")
        unit = int(re.match(r"unit (\d+)", text)[1])
        shown = [number(found) for found in re.findall(r"(−?[\d.e−]+)(?:,|$)", text)]
        for found, part in zip(shown, ("gate_proj", "act_fn", "up_proj", "gated"), strict=True):
            right = self.layer(f"mlp.{part}")[-1, unit]
            self.assertAlmostEqual(found, right, delta=1e-4 * max(1, abs(right)))


class Residual(PanelTest):
    def test_what_is_added(self):
        self.open(panel="residual")
        shown = [number(text) for text in self.texts("#residual .additions span.figure")]
        stream, expected, layer = self.trace["model.embed_scaled"][-1].astype(np.float64), [], 0
        while f"model.layers.{layer}" in self.trace:
            for part in ("self_attn.o_proj", "mlp.down_proj"):
                added = self.layer(part, layer)[-1]
                size = np.linalg.norm(added)
                expected += [size, added @ stream / size / np.linalg.norm(stream)]
                stream = stream + added  # the sum itself, not the trace's
            layer += 1
        self.assertEqual(len(shown), len(expected))
        for i, (found, right) in enumerate(zip(shown, expected)):
            self.assertAlmostEqual(found, right, delta=0.0051 if i % 2 else 0.006 * right)

    def test_lens(self):
        """The stream after a layer through the final norm and the embedding, computed here from the weights."""
        self.open(panel="residual")
        layer, token = LAYER, self.T - 1
        norm, embedding = read_weights(NANO / "model.safetensors", "model.norm.weight", "model.embed_tokens.weight")
        stream = self.layer("", layer)[token]
        shares = softmax(embedding @ (stream / np.sqrt(np.mean(stream ** 2) + 1e-6) * (1 + norm)))
        likeliest = np.argsort(-shares)[:5]
        listing = gemma("trace", "--tokens", ",".join(map(str, likeliest)), "--names", "model.embed_tokens",
                        "--out", self.place / "pieces.safetensors")
        pieces = re.findall(r"^ +\d+ +\d+ +(\S+)$", listing, re.MULTILINE)
        self.assertEqual(len(pieces), 5)

        cell = f'#residual .lens button[data-layer="{layer}"][data-token="{token}"]'
        self.assertEqual(self.text(cell), pieces[0])
        self.run_script(f"document.querySelector({json.dumps(cell)}).scrollIntoView({{block: 'center'}})")
        self.point(cell)
        text = self.text("#residual [data-of=lens]")
        for found, piece, v in zip(re.findall(r"“([^”]*)” ([^,]*? %)", text.split("go on with:")[1]), pieces, likeliest, strict=True):
            self.assertEqual(found[0], piece)
            if shares[v] > 0.001:
                self.assertAlmostEqual(share(found[1])[0], shares[v], delta=0.00052)


class NextToken(PanelTest):
    def rows(self):
        return self.run_script("""return Array.from(document.querySelectorAll('#next-token .token-bars tbody tr'),
            (tr) => [Number(tr.dataset.id), tr.classList.contains('faded'), tr.querySelector('.figure').textContent,
                     tr.querySelector('.remark').textContent])""")

    def entropy(self):
        return float(re.search(r"entropy ([\d.]+) bits", self.text("#next-token [data-of=entropy]"))[1])

    def test_temperature_and_top_k(self):
        self.open(panel="next-token")
        self.choose(token=3)  # where the model is not sure
        logits = self.trace["lm_head"][3]
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
            self.assertAlmostEqual(self.entropy(), -(expected * np.log2(expected)).sum(), delta=0.00051)

    def test_top_p_sees_what_top_k_left(self):
        self.open(panel="next-token")
        self.choose(token=3)
        logits = self.trace["lm_head"][3]
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
        self.choose(token=3)
        self.slide("next-token", "temperature", "0: the likeliest")
        self.assertEqual([row[1] for row in self.rows()].count(False), 1)
        self.assertEqual(self.entropy(), 0)


class Decode(PanelTest):
    def test_steps(self):
        self.open("generated.html", "decode")
        generated, metadata = read_trace(self.place / "generated.safetensors")
        tokens, logits, prompt = generated["tokens"], generated["lm_head"], int(metadata["prompt_tokens"])
        for step in (1, 4, len(tokens) - prompt):
            self.slide("decode", "generated token", f"{step} of {len(tokens) - prompt}")
            place = prompt + step - 1
            p = softmax(logits[len(logits) - len(tokens) + place - 1])[tokens[place]]
            self.assertAlmostEqual(share(self.text("#decode [data-of=decode]"))[0], p, delta=0.00051)
            chosen = self.run_script("return document.querySelector('#decode .token-bars tr.current').dataset.id")
            self.assertEqual(int(chosen), tokens[place])
            looked = generated["model.layers.0.self_attn.probs"][0, place - 1]
            shown = self.texts("#decode .token-text .share")
            for t in range(len(tokens)):
                if t < place and looked[t] >= 0.0105:
                    percent, half = share(shown[t])
                    self.assertAlmostEqual(percent, looked[t], delta=half * 1.01)
                if t >= place:
                    self.assertEqual(shown[t], "")

    def test_is_not_there_without_generated_tokens(self):
        self.open()
        self.assertFalse(self.run_script("return document.getElementById('decode') !== null"))


class Compare(PanelTest):
    def test_first_divergence(self):
        self.open(panel="compare")
        self.wait("document.querySelector('#compare [role=status]').textContent.includes('differ')")
        self.assertIn(f"The first divergence is {CHANGED}; 1 of", self.text("#compare [data-of=compare]"))
        self.assertEqual(self.text("#compare .opened h3"), CHANGED)

        before, after = self.changed_numbers
        largest = float(np.abs(self.trace[CHANGED]).max())
        opened = self.text("#compare [data-of=compare-opened]")
        self.assertIn("[3, 17]", opened)
        shown = [number(found) for found in re.search(r": (\S+) and (\S+), by (\S+), which is (\S+) of", opened).groups()]
        for found, right in zip(shown, (before, after, abs(before - after), abs(before - after) / largest)):
            self.assertAlmostEqual(found, right, delta=max(1e-6 * abs(right), 0.06 * abs(right) if right in (
                abs(before - after), abs(before - after) / largest) else 0))

        # The bar ends where the relative difference is on a scale from 1e-9 to 1.
        width = self.run_script(f"""return parseFloat(document.querySelector(
            '#compare tr[data-name="{CHANGED}"] .bar-fill').style.width)""")
        self.assertAlmostEqual(width, 100 * (1 + math.log10(abs(before - after) / largest) / 9), delta=0.01)

    def test_scores_behind_the_mask_do_not_count(self):
        self.open(panel="compare")
        self.wait("document.querySelector('#compare [role=status]').textContent.includes('differ')")
        row = '#compare tr[data-name="model.layers.0.self_attn.scores"]'
        self.assertEqual(self.text(row + " .figure"), "equal")
        self.run_script(f"document.querySelector({json.dumps(row + ' button')}).click()")
        self.assertEqual(self.text("#compare [data-of=compare-opened]"), "The two are the same.")


class EveryPanel(PanelTest):
    def test_works_at_phone_width_and_in_the_dark(self):
        self.browser.resize(360, 740)
        try:
            for page in ("prompt.html", "generated.html"):
                self.open(page)
                for theme in ("light", "dark"):
                    self.run_script(f"gemma.setTheme('{theme}')")
                    for panel in self.run_script("return Array.from(document.querySelectorAll('#panels section'), (s) => s.id)"):
                        self.show(panel)
                        wide = self.run_script("return document.documentElement.scrollWidth - innerWidth")
                        self.assertLessEqual(wide, 0, panel)
                self.assertEqual(self.run_script("return document.querySelectorAll('.panel-body .trouble:not([role])').length"), 0)
        finally:
            self.browser.resize(1280, 900)

    def check_page(self, *trace, view=()):
        """All panels of a page of this trace are built, and none fails."""
        gemma("trace", *trace, "--out", self.place / "special.safetensors")
        gemma("view", self.place / "special.safetensors", *view, "--out", self.place / "special.html")
        self.browser.open(self.place / "special.html")
        panels = self.run_script("return Array.from(document.querySelectorAll('#panels section'), (s) => s.id)")
        for panel in panels:
            self.show(panel)
        failed = self.run_script("return Array.from(document.querySelectorAll('p.trouble:not([role])'), (p) => p.innerText)")
        self.assertEqual(failed, [])
        return panels

    def test_some_rows_only(self):
        self.check_page("--prompt", PROMPT, "--range", "3:7")
        self.show("attention")
        self.choose(layer=LAYER, head=HEAD, token=5)
        shown = self.texts("#attention .token-text .token .share")
        tensors, _ = read_trace(self.place / "special.safetensors")
        for text, p in zip(shown, tensors[f"model.layers.{LAYER}.self_attn.probs"][HEAD, 5 - 3], strict=True):
            if p >= 0.0105:
                percent, half = share(text)
                self.assertAlmostEqual(percent, p, delta=half * 1.01)

    def test_some_tensors_only(self):
        self.assertEqual(self.check_page("--prompt", PROMPT, "--names", "lm_head"), ["next-token"])
        self.assertEqual(self.check_page("--prompt", PROMPT, "--names", "model.layers.1.*_proj"), ["rope"])

    def test_a_model_with_two_key_heads_and_no_tokenizer(self):
        model = ROOT / "tests/fixtures/tiny/two_kv_heads"
        self.check_page("--model", model, "--tokens", "2,5,7,1,9,4", view=("--model", model))
        heads = read_trace(self.place / "special.safetensors")[0]["model.layers.0.self_attn.q_proj"].shape[1]
        self.show("rope")
        for head in range(heads):
            self.choose(layer=0, head=head)
            shown = re.search(r"at most (\S+) of its.*is (\S+); here (\S+)\.", self.text("#rope [data-of=rope-proof]"))
            self.assertLess(number(shown[1]), 1e-5)
            # The trace's score of query and key, which needs the right key head, and the one computed in the page.
            self.assertAlmostEqual(number(shown[2]), number(shown[3]), delta=1e-5 * max(1, abs(number(shown[2]))))

    def test_all_that_is_pressed_has_a_name(self):
        """Buttons, sliders, lists and pictures say what they are."""
        self.open()
        for panel in self.run_script("return Array.from(document.querySelectorAll('#panels section'), (s) => s.id)"):
            self.show(panel)
        nameless = self.run_script("""
            const named = (e) => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length ||
                (e.matches('button') && e.textContent.trim());
            return Array.from(document.querySelectorAll('#panels :is(button, input, select, svg, canvas)'))
                .filter((e) => !e.closest('[aria-hidden=true]') && !named(e)).map((e) => e.outerHTML.slice(0, 120))""")
        self.assertEqual(nameless, [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gemma", default=str(ROOT / "build/release/bin/gemma"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--chromedriver", default="/usr/bin/chromedriver")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
