#!/usr/bin/env python3
"""The page of `gemma view` in a real browser: opened from disk, stepped through, read number by number."""

import argparse
import re
import statistics
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
PROMPT = "Anna gave the ball to Tom. Now the ball belongs to"
GENERATED = 6
EVIL = "</script><b>Tom</b><script>window.injected = 1</script> & \"quotes\" <!--"


def gemma(*arguments):
    subprocess.run([options.gemma, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def number(text):
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace("∞", "inf"))


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.place = Path(cls.folder.name)
        trace = cls.place / "trace.safetensors"
        cls.page = cls.place / "page.html"
        gemma("trace", "--prompt", PROMPT, "--generate", GENERATED, "--out", trace)
        gemma("view", trace, "--out", cls.page)
        cls.tensors, cls.metadata = read_trace(trace)
        cls.tokens = cls.tensors.pop("tokens")
        cls.names = list(cls.tensors)
        cls.browser = Browser(options.chromium, options.chromedriver)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.folder.cleanup()

    def setUp(self):
        self.browser.resize(1280, 1000)
        self.browser.prefer("light")
        self.browser.requests()
        self.browser.open(self.page)

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])

    def run_script(self, script, *arguments):
        return self.browser.run(script, *arguments)

    def find(self, selector):
        return self.browser.driver.find_element(By.CSS_SELECTOR, selector)

    def press(self, *keys):
        ActionChains(self.browser.driver).send_keys(*keys).perform()

    def step(self):
        return self.run_script("return gemma.selection.step")

    def go_to(self, name, **selection):
        self.run_script("gemma.select(arguments[0])", {"step": name, **selection})
        self.run_script("document.querySelector('.step .heat-scroll').scrollIntoView({block: 'center'})")

    def read_all(self):
        """Scrolls through the whole page, so that every part of it is built."""
        height = self.run_script("return document.documentElement.scrollHeight")
        for _ in range(3):  # parts that are built make the page longer
            for top in range(0, height + 1, 700):
                self.run_script("scrollTo(0, arguments[0])", top)
                time.sleep(0.05)
            height = self.run_script("return document.documentElement.scrollHeight")

    def point_at(self, row, column):
        """Moves the pointer over a cell of the picture; gives what the line below says."""
        canvas = self.find(".step .heat-cells canvas")
        rows, columns, left, top, width, height = self.run_script("""
            const c = arguments[0], b = c.getBoundingClientRect();
            return [c.height, c.width, b.left, b.top, b.width, b.height];""", canvas)
        actions = ActionChains(self.browser.driver)
        actions.w3c_actions.pointer_action.move_to_location(
            round(left + (column + 0.5) / columns * width), round(top + (row + 0.5) / rows * height))
        actions.perform()
        return self.find(".step .heat-line").text

    def check_cell(self, row, column, index):
        """The cell's number is the trace's at this index."""
        line = self.point_at(row, column)
        name = self.step()
        with self.subTest(name, index=index, line=line):
            found = re.match(r"\[([\d, ]+)\]", line)
            self.assertIsNotNone(found)
            self.assertEqual([int(i) for i in found[1].split(",")], list(index))
            value = next(part for part in reversed(line.split("  ")) if re.fullmatch(r"−?[\d.]+(e−?\d+)?", part))
            self.assertEqual(np.float32(number(value)), self.tensors[name][tuple(index)])  # to the last bit

    # --- What is there -----------------------------------------------------------------------------------------------

    def test_it_asks_for_nothing(self):
        self.read_all()
        self.assertEqual(self.browser.requests(), [self.page.as_uri()])
        self.assertEqual(self.run_script("return performance.getEntriesByType('resource').length"), 0)

    def test_every_part_of_it_works(self):
        self.read_all()
        titles = self.run_script("return [...document.querySelectorAll('main section h2')].map((h) => h.textContent)")
        self.assertGreaterEqual(len(titles), 6)
        self.assertEqual(len(titles), len(set(titles)))
        links = self.run_script("return [...document.querySelectorAll('.contents a')].map((a) => a.hash.slice(1))")
        for link in links:
            self.assertTrue(self.run_script("return document.getElementById(arguments[0]) !== null", link), link)
        self.assertNotIn("failed:", self.find("main").text)

    def test_its_tokens_are_those_of_the_trace(self):
        self.assertEqual(self.run_script("return gemma.trace.tokens"), self.tokens.tolist())
        prompt = int(self.metadata["prompt_tokens"])
        self.assertEqual(len(self.tokens), prompt + GENERATED)
        chips = self.browser.driver.find_elements(By.CSS_SELECTOR, ".chip")
        self.assertEqual(len(chips), len(self.tokens))
        self.assertEqual(sum("generated" in chip.get_attribute("class") for chip in chips), GENERATED)
        chips[3].click()
        self.assertEqual(self.run_script("return gemma.selection.token"), 3)
        self.assertEqual(chips[3].get_attribute("aria-pressed"), "true")

    def test_all_numbers_of_every_tensor_are_the_trace_s(self):
        for name, tensor in self.tensors.items():
            shape, total, ends = self.run_script("""
                const {shape, data} = gemma.trace.tensor(arguments[0]);
                let total = 0;
                for (const x of data) total += Math.abs(x);
                return [shape, total, [data[0], data[data.length - 1]]];""", name)
            self.assertEqual(shape, list(tensor.shape))
            self.assertAlmostEqual(total, np.abs(tensor.astype(np.float64)).sum(), delta=1e-9 * total)
            self.assertEqual(ends, [float(tensor.flat[0]), float(tensor.flat[-1])])

    # --- Stepping ----------------------------------------------------------------------------------------------------

    def test_arrow_keys_step_through_the_forward_pass(self):
        self.assertEqual(self.step(), self.names[0])
        for name in self.names[1:30]:
            self.press(Keys.ARROW_RIGHT)
            self.assertEqual(self.step(), name)
            self.assertEqual(self.find(".step-name").text, name)
            self.assertEqual(self.run_script(
                "return [...document.querySelectorAll('[aria-current=step]')].map((b) => b.dataset.step)"), [name])
        self.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
        self.assertEqual(self.step(), self.names[27])
        self.run_script("gemma.select({step: gemma.trace.names.at(-1)})")
        self.press(Keys.ARROW_RIGHT)
        self.assertEqual(self.step(), "lm_head")

    def test_a_click_opens_a_step_and_a_layer(self):
        self.find("[data-layer='1']").click()
        self.assertEqual(self.step(), "model.layers.1.input_layernorm.mean_square")
        self.find("[data-step='model.layers.1.mlp.gated']").click()
        self.assertEqual(self.find(".step h3").text, "Gated")
        self.find("[data-layer='0']").click()  # the same step of another layer
        self.assertEqual(self.step(), "model.layers.0.mlp.gated")

    def test_a_step_says_its_formula_its_code_and_its_shapes(self):
        for name in self.names[:26] + self.names[-4:]:
            self.run_script("gemma.select({step: arguments[0]})", name)
            formula = self.find(".facts math")
            self.assertGreater(formula.size["width"], 10)
            function, file = self.run_script(
                "return [...document.querySelectorAll('.facts dd > code')].map((c) => c.textContent)")
            self.assertRegex((ROOT / file).read_text(), rf"\b{re.escape(function[:-1])}", name)
            facts = self.find(".facts").text
            self.assertIn(str(list(self.tensors[name].shape)), facts)

    # --- Numbers -----------------------------------------------------------------------------------------------------

    def test_the_pointer_reads_single_numbers(self):
        self.go_to("model.embed_scaled")
        self.check_cell(2, 5, [2, 5])
        self.check_cell(0, 0, [0, 0])
        self.go_to("model.layers.1.self_attn.q_rope", head=2)
        self.check_cell(4, 17, [4, 2, 17])
        self.go_to("model.layers.1.self_attn.probs", head=3)
        self.check_cell(9, 4, [3, 9, 4])
        self.go_to("model.layers.0.input_layernorm.mean_square")
        self.check_cell(6, 0, [6])
        self.go_to("model.layers.1.self_attn.scores", head=1)
        self.check_cell(7, 7, [1, 7, 7])

    def test_rows_say_whose_they_are(self):
        rows = len(self.tensors["lm_head"])
        self.assertEqual(rows, GENERATED + 1)  # of the prompt's last token, and of each generated one
        self.go_to("lm_head")
        line = self.point_at(0, 5)
        last = int(self.metadata["prompt_tokens"]) - 1
        piece = self.run_script("return gemma.trace.pieces[arguments[0]]", last)
        self.assertRegex(line, r"^\[0, \d+\]  " + re.escape(piece) + " → ")

    def test_a_masked_score_is_said_to_be_one(self):
        self.go_to("model.layers.0.self_attn.scores", head=0)
        self.assertIn("masked", self.point_at(2, 9))
        self.assertNotIn("masked", self.point_at(9, 2))

    def test_arrow_keys_read_numbers_in_a_picture(self):
        self.go_to("model.embed_tokens")
        canvas = self.find(".step .heat-cells canvas")
        canvas.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
        self.assertTrue(self.find(".step .heat-line").text.startswith("[1, 1]"))
        self.assertEqual(self.step(), "model.embed_tokens")  # the keys did not step on
        canvas.send_keys(Keys.ENTER)
        self.assertEqual(self.run_script("return gemma.selection.token"), 1)

    def test_zoom_and_scales_keep_the_numbers(self):
        self.go_to("model.layers.0.mlp.gated")
        self.find(".heat-zoom button:last-child").click()
        self.run_script("[...document.querySelectorAll('.controls button')].find((b) => b.textContent === 'log').click()")
        middle = self.tensors["model.layers.0.mlp.gated"].shape[1] // 2
        self.check_cell(3, middle, [3, middle])

    def test_the_table_behind_a_picture_has_its_numbers(self):
        name = "model.layers.0.self_attn.o_proj"
        self.go_to(name)
        self.run_script("document.querySelector('.step details.numbers').open = true")
        time.sleep(0.2)
        cells = self.run_script("""return [...document.querySelectorAll('.step details.numbers tbody tr')].map(
            (row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))""")
        self.assertEqual(len(cells), len(self.tokens))
        for row, texts in enumerate(cells):
            for column, text in enumerate(texts):
                expected = float(self.tensors[name][row, column])
                # Four decimals below one, four digits above, and two after the point of what is written with e.
                self.assertAlmostEqual(number(text), expected, delta=max(5.1e-5, 5.1e-4 * abs(expected)))

    # --- For everyone ------------------------------------------------------------------------------------------------

    def test_a_narrow_window_has_no_horizontal_scroll(self):
        for width in (360, 390, 768):
            self.browser.resize(width, 800)
            self.browser.open(self.page)
            self.read_all()
            for name in ("model.layers.1.self_attn.k_rope", "model.layers.1.self_attn.probs", "lm_head"):
                self.go_to(name)
                self.assertLessEqual(self.run_script("return document.documentElement.scrollWidth"), width, name)

    def test_light_and_dark(self):
        def brightness():
            colour = self.run_script("return getComputedStyle(document.body).backgroundColor")
            return sum(int(part) for part in re.findall(r"\d+", colour)[:3])
        self.assertGreater(brightness(), 600)
        self.browser.prefer("dark")
        self.browser.open(self.page)
        self.assertLess(brightness(), 150)
        self.press("t")
        self.assertGreater(brightness(), 600)

    def test_what_can_be_pressed_or_seen_has_a_name(self):
        self.read_all()
        nameless = self.run_script("""
            const named = (e) => (e.getAttribute('aria-label') || e.textContent || e.title).trim() !== '' ||
                e.getAttribute('aria-labelledby') || (e.labels && e.labels.length > 0);
            return [...document.querySelectorAll('button, a, select, input, canvas:not([aria-hidden]), [role=img]')]
                .filter((e) => e.checkVisibility() && !e.closest('[aria-hidden=true], button[aria-label]') && !named(e))
                .map((e) => e.outerHTML.slice(0, 120));""")
        self.assertEqual(nameless, [])

    def test_the_keys_are_told(self):
        self.press("?")
        self.assertTrue(self.run_script("return document.getElementById('help').open"))
        self.press(Keys.ESCAPE)
        self.assertFalse(self.run_script("return document.getElementById('help').open"))

    # --- Other pages -------------------------------------------------------------------------------------------------

    def test_a_prompt_that_looks_like_markup_is_text(self):
        trace, page = self.place / "evil.safetensors", self.place / "evil.html"
        gemma("trace", "--prompt", EVIL, "--names", "model.embed_tokens", "--out", trace)
        gemma("view", trace, "--out", page)
        self.browser.open(page)
        self.assertIsNone(self.run_script("return window.injected ?? null"))
        self.assertEqual(self.run_script("return gemma.trace.header.prompt"), EVIL)
        self.assertEqual(self.run_script("return document.querySelectorAll('h1 b, .chips b').length"), 0)
        self.assertTrue(EVIL.startswith(self.find("h1").text.rstrip("…")))

    def test_any_file_of_tensors_can_be_seen(self):
        weights, page = ROOT / "lessons/nano/model.safetensors", self.place / "weights.html"
        gemma("view", weights, "--out", page)
        self.browser.open(page)
        self.read_all()
        self.assertEqual(self.find("h1").text, "model.safetensors")
        names = self.run_script("return gemma.trace.names")
        self.assertIn("model.layers.0.mlp.up_proj.weight", names)
        for name in names[:12]:
            self.assertEqual(self.step(), name)
            self.assertTrue(self.run_script("return gemma.trace.shape(arguments[0]).length > 0", name))
            self.press(Keys.ARROW_RIGHT)

    def test_two_traces_beside_each_other(self):
        trace, page = self.place / "trace.safetensors", self.place / "two.html"
        gemma("view", trace, trace, "--out", page)
        self.browser.open(page)
        self.read_all()
        self.assertEqual(self.run_script("return gemma.other.names"), self.names)
        self.assertNotIn("failed:", self.find("main").text)

    def test_a_long_trace_opens_and_steps(self):
        trace, page = self.place / "long.safetensors", self.place / "long.html"
        rng = np.random.default_rng(1)
        tokens = [2, *rng.choice(self.tokens[1:], 511).tolist()]
        gemma("trace", "--tokens", ",".join(map(str, tokens)), "--out", trace)
        gemma("view", trace, "--out", page)
        # The time is the page's own: when the first picture was drawn, counted from the beginning of its loading.
        opened = []
        for _ in range(3):
            self.browser.open(page)
            opened.append(self.run_script("return performance.getEntriesByName('first picture')[0].startTime"))
        before = self.step()
        steps = self.browser.driver.execute_async_script("""
            const done = arguments[0], times = [];
            function go() {
                if (times.length === 40) return done(times);
                const begin = performance.now();
                gemma.stepBy(1);
                document.body.offsetHeight;
                times.push(performance.now() - begin);
                requestAnimationFrame(() => setTimeout(go));
            }
            go();""")
        print(f"512 tokens, {page.stat().st_size / 1e6:.0f} MB: first picture after {min(opened):.0f} ms, "
              f"a step in {statistics.median(steps):.0f} ms (median), {max(steps):.0f} ms (longest)", file=sys.stderr)
        self.assertEqual(self.names.index(self.step()), self.names.index(before) + 40)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gemma", default=str(ROOT / "build/release/bin/gemma"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--chromedriver", default="/usr/bin/chromedriver")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
