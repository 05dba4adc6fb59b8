#!/usr/bin/env python3
"""Makes the README's pictures of the pages: python3 tests/page/screenshots.py"""

import signal
import subprocess
import tempfile
import time
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browser import Browser

ROOT = Path(__file__).resolve().parents[2]
GEMMA = ROOT / "build/release/bin/gemma"
PICTURES = ROOT / "viz/pictures"
PROMPT = "Anna gave the ball to Tom. Now the ball belongs to"


def save(browser, name):
    time.sleep(1)  # pictures are drawn when they come into view
    browser.driver.save_screenshot(str(PICTURES / f"{name}.png"))


def trace_pages(browser, folder):
    trace, page = folder / "trace.safetensors", folder / "page.html"
    subprocess.run([GEMMA, "trace", "--prompt", PROMPT, "--generate", "8", "--out", trace], check=True)
    subprocess.run([GEMMA, "view", trace, "--out", page], check=True)
    browser.open(page)
    browser.run("gemma.select({step: 'model.layers.2.self_attn.q_rope', token: 12})")
    save(browser, "steps")
    browser.run("document.getElementById('attention').scrollIntoView()")
    save(browser, "attention")


def live_page(browser):
    server = subprocess.Popen([GEMMA, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True)
    find = lambda selector: browser.driver.find_element(By.CSS_SELECTOR, selector)
    try:
        browser.driver.get(server.stdout.readline().strip())
        time.sleep(1)
        find("#editing summary").click()
        Select(find("#edit_layer")).select_by_visible_text("all")
        find("#add_edit").click()
        find("#max_tokens").clear()
        find("#max_tokens").send_keys("24")
        find("#generate").click()
        while find("#stop").is_enabled():
            time.sleep(0.1)
        find(".token").click()
        save(browser, "live")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def main():
    PICTURES.mkdir(exist_ok=True)
    browser = Browser("/usr/bin/chromium", "/usr/bin/chromedriver")
    browser.resize(1200, 1000)
    browser.prefer("light")
    with tempfile.TemporaryDirectory() as folder:
        trace_pages(browser, Path(folder))
    live_page(browser)
    browser.close()


if __name__ == "__main__":
    main()
