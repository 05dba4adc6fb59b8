#include "viz/page.hpp"

#include "gemma/error.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/trace/recorder.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"
#include "tests/support/tokenizer_fixture.hpp"
#include "viz/assets.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstring>
#include <string>
#include <vector>

using namespace gemma;
using nlohmann::json;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
    return found;
}

// What stands between two texts, the first time; they must be there.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const std::size_t begin = text.find(before);
    REQUIRE(begin != text.npos);
    const std::size_t end = text.find(after, begin + before.size());
    REQUIRE(end != text.npos);
    return text.substr(begin + before.size(), end - begin - before.size());
}

json content_of(const std::string& html) {
    return json::parse(between(html, "<script type=\"application/json\" id=\"content\">", "</script>"));
}

// Letter by letter, by the table of RFC 4648.
std::vector<float> decoded(const std::string& base64) {
    const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<unsigned char> bytes;
    unsigned bits = 0, held = 0;
    for (const char letter : base64) {
        if (letter == '=') break;
        const std::size_t value = letters.find(letter);
        REQUIRE(value != letters.npos);
        bits = bits << 6 | static_cast<unsigned>(value);
        held += 6;
        if (held >= 8) bytes.push_back(static_cast<unsigned char>(bits >> (held -= 8)));
    }
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
    return numbers;
}

std::vector<float> numbers_of(const std::string& html, const std::string& name) {
    return decoded(between(html, "data-name=\"" + name + "\">", "</script>"));
}

struct Run {
    Model model = tiny_model(tiny_config(), 7);
    Recorder recorder;
    Matrix logits;

    explicit Run(RecorderOptions options = {}) : recorder(std::move(options)) {
        KVCache cache(model.config(), tiny_prompt.size());
        logits = model.forward(tiny_prompt, cache, Trace(recorder));
    }

    viz::Page page() const {
        viz::Page page;
        page.title = "a run";
        page.record = &recorder;
        page.header = {"a prompt", "tiny", "float32", "a test", tiny_prompt};
        return page;
    }
};

// A record of one tensor of any size, whose numbers nobody asks for.
class Large : public Record {
public:
    explicit Large(std::size_t rows) : rows_(rows) {}
    std::vector<std::string> names() const override { return {"model.norm"}; }
    gemma::Shape shape(const std::string&) const override { return {rows_, 1024}; }
    RecordedTensor tensor(const std::string&) const override { fail("the numbers were asked for"); }
    TokenRange range() const override { return {}; }

private:
    std::size_t rows_;
};

}  // namespace

TEST_CASE("page: every tensor is in it, in order, bit for bit") {
    const Run run;
    const std::string html = viz::to_html(run.page());
    const json trace = content_of(html)["trace"];
    const std::vector<std::string> names = run.recorder.names();
    REQUIRE(trace["tensors"].size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        CHECK(trace["tensors"][i][0] == names[i]);
        CHECK(trace["tensors"][i][1].get<Shape>() == run.recorder.shape(names[i]));
        const std::vector<float> found = numbers_of(html, names[i]), expected = run.recorder.tensor(names[i]).numbers;
        REQUIRE(found.size() == expected.size());
        CHECK(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("page: it says which run it is of") {
    const Run run({{}, {1, 4}, {}});
    viz::Page page = run.page();
    page.header.prompt_tokens = 3;
    const json trace = content_of(viz::to_html(page))["trace"];
    CHECK(trace["header"]["prompt"] == "a prompt");
    CHECK(trace["header"]["model"] == "tiny");
    CHECK(trace["header"]["precision"] == "float32");
    CHECK(trace["header"]["producer"] == "a test");
    CHECK(trace["tokens"].get<std::vector<int>>() == tiny_prompt);
    CHECK(trace["promptTokens"] == 3);
    CHECK(trace["first"] == 1);
    CHECK(trace["last"] == 4);
    page.header.prompt_tokens = 0;  // it does not say: all are the prompt
    CHECK(content_of(viz::to_html(page))["trace"]["promptTokens"] == tiny_prompt.size());
}

TEST_CASE("page: a record of no text has rows and no tokens") {
    Recorder recorder;
    Matrix x = Matrix::from_shape({3, 2});
    x.fill(1.5f);
    const Trace trace(recorder);
    trace("x", x);
    viz::Page page;
    page.record = &recorder;
    page.header.tokens = {0, 1, 2};  // numbers of rows
    const json content = content_of(viz::to_html(page))["trace"];
    CHECK(content["tokens"].empty());
    CHECK(content["pieces"].empty());
    CHECK(content["last"] == 3);
}

TEST_CASE("page: nothing in it comes from elsewhere") {
    const Run run;
    const std::string html = viz::to_html(run.page());
    CHECK(contains(html, "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';"));
    for (const std::string part : {" src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket",
                                   "EventSource", "sendBeacon", "import("}) {
        CAPTURE(part);
        CHECK(!contains(html, part));
    }
    // Names of vocabularies are no addresses to load.
    CHECK(count(html, "http://") + count(html, "https://") == count(html, "http://www.w3.org/2000/svg"));
}

TEST_CASE("page: every file of the page is in it once") {
    const std::string html = viz::to_html(Run().page());
    CHECK(!contains(html, "{{"));
    std::size_t files = 0;
    for (const viz::Asset& asset : viz::assets()) {
        if (asset.name == "page.html" || asset.name.substr(0, 4) == "live") continue;
        CAPTURE(asset.name);
        CHECK(count(html, std::string(asset.text)) == 1);
        CHECK(!contains(std::string(asset.text), "</script"));  // would end its element
        ++files;
    }
    CHECK(files > 10);
}

TEST_CASE("page: what a trace says cannot become markup") {
    const Run run;
    viz::Page page = run.page();
    const std::string evil = "</script><b>\"&'<!-- \xE2\x80\xA8";
    page.title = page.header.prompt = page.header.model = evil;
    const std::string html = viz::to_html(page);
    const json content = content_of(html);
    CHECK(content["trace"]["header"]["prompt"] == evil);
    CHECK(content["title"] == evil);
    CHECK(!contains(html, "<b>\"&"));
    CHECK(contains(html, "<h1>&lt;/script&gt;&lt;b&gt;&quot;&amp;'&lt;!-- "));
    CHECK(count(html, "</script>") == count(viz::to_html(run.page()), "</script>"));
}

TEST_CASE("page: a tensor's name cannot become markup either") {
    Recorder recorder;
    Matrix x = Matrix::from_shape({1, 1});
    x(0, 0) = 2;
    const Trace trace(recorder);
    trace("\"><b>x", x);
    viz::Page page;
    page.record = &recorder;
    const std::string html = viz::to_html(page);
    CHECK(contains(html, "data-name=\"&quot;&gt;&lt;b&gt;x\">"));
    CHECK(!contains(html, "><b>x"));
    CHECK(content_of(html)["trace"]["tensors"][0][0] == "\"><b>x");
}

TEST_CASE("page: text that is no UTF-8 does not end it") {
    viz::Page page = Run().page();
    page.record = nullptr;
    page.title = "half a character \xE2\x96";
    CHECK(content_of(viz::to_html(page))["title"] == "half a character \xEF\xBF\xBD");
}

TEST_CASE("page: pictures alone") {
    viz::Page page;
    page.title = "Pictures";
    page.figures = {{"curve", "where x < 0 & y", "<svg><title>c</title></svg>"}, {"bars", "second", "<svg></svg>"}};
    const std::string html = viz::to_html(page);
    CHECK(content_of(html)["trace"].is_null());
    CHECK(contains(html, "<svg><title>c</title></svg>\n<figcaption>where x &lt; 0 &amp; y</figcaption>"));
    CHECK(html.find("figure-curve") < html.find("figure-bars"));
    CHECK(!contains(html, "data-name="));
}

TEST_CASE("page: the lens of the last layer is the model's own next token") {
    const Run run;
    viz::Page page = run.page();
    page.model = &run.model;
    const json content = content_of(viz::to_html(page));
    CHECK(content["config"]["hidden_size"] == tiny_config().hidden_size);
    CHECK(content["lens"]["first"] == 0);
    const json layers = content["lens"]["layers"];
    REQUIRE(layers.size() == tiny_config().num_hidden_layers);
    SamplerOptions all;
    all.temperature = 1.0f;
    for (std::size_t t = 0; t < tiny_prompt.size(); ++t) {
        CAPTURE(t);
        Matrix row = Matrix::from_shape({1, run.logits.shape(1)});
        for (std::size_t v = 0; v < row.size(); ++v) row(0, v) = run.logits(t, v);
        const auto expected = next_token_distribution(row, all);
        REQUIRE(layers.back()[t].size() == 5);
        for (std::size_t i = 0; i < 5; ++i) {
            CHECK(layers.back()[t][i][0] == expected[i].token);
            CHECK(layers.back()[t][i][1].get<double>() == doctest::Approx(expected[i].probability).epsilon(1e-5));
        }
    }
    CHECK(layers[0] != layers.back());
}

TEST_CASE("page: layers that were not recorded have no lens") {
    const Run run({{"model.layers.1", "lm_head"}, {2, 5}, {}});
    viz::Page page = run.page();
    page.model = &run.model;
    const json lens = content_of(viz::to_html(page))["lens"];
    CHECK(lens["first"] == 2);
    CHECK(lens["layers"][0].is_null());
    CHECK(lens["layers"][1].size() == 3);
    const Run none({{"lm_head"}, {}, {}});
    page.record = &none.recorder;
    CHECK(content_of(viz::to_html(page))["lens"].is_null());
}

TEST_CASE("page: the tokens' texts are the tokenizer's") {
    const Run run;
    viz::Page page = run.page();
    CHECK(content_of(viz::to_html(page))["trace"]["pieces"] == json(std::vector<std::string>(tiny_prompt.size())));
    page.tokenizer = &nano_tokenizer();
    const json content = content_of(viz::to_html(page));
    REQUIRE(content["trace"]["pieces"].size() == tiny_prompt.size());
    for (std::size_t t = 0; t < tiny_prompt.size(); ++t) {
        CHECK(content["trace"]["pieces"][t] == nano_tokenizer().piece(tiny_prompt[t]));
    }
    const std::size_t V = nano_tokenizer().vocab_size();
    REQUIRE(content["vocabulary"].size() == V);
    CHECK(content["vocabulary"][V - 1] == nano_tokenizer().piece(static_cast<int>(V) - 1));
}

TEST_CASE("page: a second trace stands beside the first") {
    const Run run;
    Recorder other({{"lm_head"}, {}, {}});
    KVCache cache(run.model.config(), tiny_prompt.size());
    tiny_model(tiny_config(), 8).forward(tiny_prompt, cache, Trace(other));
    viz::Page page = run.page();
    page.other = &other;
    page.other_header = {"", "tiny", "bfloat16", "another", tiny_prompt};
    const std::string html = viz::to_html(page);
    const json content = content_of(html);
    CHECK(content["other"]["header"]["producer"] == "another");
    CHECK(content["other"]["tensors"].size() == 1);
    const std::string second = html.substr(html.find("id=\"numbers-1-0\""));
    CHECK(numbers_of(second, "lm_head") == other.tensor("lm_head").numbers);
    CHECK(numbers_of(html, "lm_head") == run.recorder.tensor("lm_head").numbers);
}

TEST_CASE("page: numbers over the limit are an error, and no file") {
    const std::size_t rows = viz::page_limit / 4096;  // of 1024 numbers
    const Large within(rows), over(rows + 1);
    viz::Page page;
    page.record = &over;
    const TemporaryDirectory directory;
    const std::string message = message_of<Error>([&] { viz::write_page(directory / "page.html", page); });
    CHECK(contains(message, "found 268 MB of numbers, expected at most 268 MB"));
    CHECK(contains(message, "--names"));
    CHECK(contains(message, "--range"));
    CHECK(directory.entries() == 0);
    page.record = &within;  // is not over it: its numbers are asked for
    CHECK(message_of<Error>([&] { viz::to_html(page); }) == "the numbers were asked for");
    page.other = &within;  // both together are
    CHECK(contains(message_of<Error>([&] { viz::to_html(page); }), "found 537 MB"));
}

TEST_CASE("page: the file is what to_html says") {
    const TemporaryDirectory directory;
    const Run run;
    viz::write_page(directory / "page.html", run.page());
    CHECK(read_file(directory / "page.html") == viz::to_html(run.page()));
    CHECK(directory.entries() == 1);
    CHECK(contains(message_of<Error>([&] { viz::write_page(directory / "no" / "page.html", run.page()); }),
                   "cannot be written"));
}
