#!/usr/bin/env python3
"""The page of `gemma serve` in a real browser: it writes text, takes a part away, and opens every step."""

import argparse
import json
import signal
import subprocess
import sys
import time
import unittest
import urllib.request
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browser import Browser

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "Anna gave the ball to Tom. Now the ball belongs to"
PATIENCE = 60  # seconds, for machines that do other things as well


class LiveTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([options.gemma, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
        cls.address = cls.server.stdout.readline().strip()
        cls.browser = Browser(options.chromium, options.chromedriver)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.send_signal(signal.SIGINT)
        assert cls.server.wait(PATIENCE) == 0
        cls.server.stdout.close()

    def setUp(self):
        self.browser.resize(1200, 1000)
        self.browser.prefer("light")
        self.browser.requests()
        self.browser.driver.get(self.address)
        self.wait(lambda: len(Select(self.find("#model")).options) == 2)

    def tearDown(self):
        self.assertEqual(self.browser.complaints(), [])
        for url in self.browser.requests():
            self.assertTrue(url.startswith((self.address, "blob:" + self.address.rstrip("/"), "data:")), url)

    def find(self, selector):
        return self.browser.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return [element.get_attribute("textContent")
                for element in self.browser.driver.find_elements(By.CSS_SELECTOR, selector)]

    def wait(self, happened):
        end = time.monotonic() + PATIENCE
        while not happened():
            self.assertLess(time.monotonic(), end, self.find("#message").text)
            time.sleep(0.05)

    def generate(self, prompt, tokens=6):
        for field, text in (("#prompt", prompt), ("#max_tokens", str(tokens))):
            self.find(field).clear()
            self.find(field).send_keys(text)
        self.find("#generate").click()
        self.wait(lambda: not self.find("#stop").is_enabled())

    def asked(self, prompt, tokens):
        """What the program itself answers."""
        request = urllib.request.Request(self.address + "api/generate", json.dumps(
            {"prompt": prompt, "max_tokens": tokens}).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return [json.loads(line) for line in answer][1:-1]

    def test_the_text_goes_on_and_a_token_shows_what_could_have_come(self):
        self.generate(PROMPT)
        expected = self.asked(PROMPT, 6)
        self.assertEqual(self.texts(".token"), [line["text"] for line in expected])
        self.find(".token").click()
        rows = self.texts(".likeliest tbody th")
        self.assertEqual(rows, [other["piece"] for other in expected[0]["likeliest"]])
        shown = self.texts(".likeliest tbody td")[0]
        self.assertAlmostEqual(float(shown.split()[0]), 100 * expected[0]["likeliest"][0]["probability"], delta=0.51)

    def test_a_line_break_breaks_the_line_and_can_be_clicked(self):
        self.generate("Tom has a ball.\n\nQuestion: Who has the ball?", 2)
        line_break, after = self.browser.driver.find_elements(By.CSS_SELECTOR, ".token")
        self.assertEqual([line_break.text, after.text], ["⏎", "Answer"])
        self.assertGreater(after.location["y"], line_break.location["y"])

    def test_without_attention_the_text_is_another(self):
        self.find("#editing summary").click()
        Select(self.find("#edit_layer")).select_by_visible_text("all")
        Select(self.find("#edit_tensor")).select_by_visible_text("self_attn.context")
        Select(self.find("#edit_head")).select_by_visible_text("all")
        self.find("#add_edit").click()
        self.generate(PROMPT)
        plain = self.texts(".answer:nth-child(1) .token")
        edited = self.texts(".answer:nth-child(2) .token")
        self.assertEqual(plain, [line["text"] for line in self.asked(PROMPT, 6)])
        self.assertNotEqual(plain, edited)
        self.assertGreater(len(self.texts(".token.differs")), 0)

    def test_every_step_can_be_opened(self):
        self.generate(PROMPT, 3)
        self.find("#open_plain").click()
        self.wait(lambda: self.find("#trace").is_displayed())
        self.browser.driver.switch_to.frame(self.find("#trace"))
        try:
            self.wait(lambda: self.browser.run("return typeof gemma === 'object' && gemma.trace !== null"))
            self.assertEqual(self.browser.run("return gemma.trace.tokens.length - gemma.trace.promptTokens"), 3)
            self.assertTrue(self.browser.run("return gemma.trace.has('lm_head')"))
        finally:
            self.browser.driver.switch_to.default_content()

    def test_a_bad_request_says_why(self):
        self.generate("x" * 3000)
        self.assertIn("expected at most", self.find("#message").text)
        complaints = self.browser.complaints()  # the browser tells of the status 400, and of nothing else
        self.assertTrue(all("400" in complaint for complaint in complaints), complaints)

    def test_it_fits_a_phone(self):
        self.browser.resize(360, 800)
        self.generate(PROMPT)
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 360)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gemma", default=str(ROOT / "build/release/bin/gemma"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--chromedriver", default="/usr/bin/chromedriver")
    options, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
