// What a notebook shows: found as the kernels find it, well formed, escaped, with the right numbers.
#include "viz/notebook.hpp"

#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "tests/support/bar_chart.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tokenizer_fixture.hpp"
#include "tests/support/xml.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <set>

// What the kernels do: their own template for any type, and a call that looks for a better one among the arguments'
// namespaces.
namespace kernel {

template <typename Value>
nlohmann::json mime_bundle_repr(const Value&) {
    return {{"text/plain", "an object"}};
}

template <typename Value>
nlohmann::json display(const Value& value) {
    using kernel::mime_bundle_repr;
    return mime_bundle_repr(value);
}

}  // namespace kernel

namespace viz {

using gemma::error_message;

namespace {

void record_small(gemma::Recorder& recorder) {
    gemma::Matrix norm = {{1, -2, 3}, {4, 5, 6}};
    gemma::Tensor3 probs = {{{1, 0}, {0.25f, 0.75f}}, {{1, 0}, {0.5f, 0.5f}}};
    const gemma::Trace trace(recorder);
    trace("model.layers.0.self_attn.probs", probs);
    trace("model.norm", norm);
}

void check_no_identifiers(const XmlElement& element, std::set<std::string>& identifiers) {
    const auto id = element.attributes.find("id");
    if (id != element.attributes.end()) CHECK(identifiers.insert(id->second).second);
    for (const XmlElement& child : element.children) check_no_identifiers(child, identifiers);
}

// Both forms, the HTML read as XML: twice on a page, no identifier may be there twice. No script and no request.
XmlElement checked(const nlohmann::json& bundle) {
    REQUIRE(bundle.size() == 2);
    REQUIRE(bundle.contains("text/html"));
    CHECK_FALSE(bundle.at("text/plain").get<std::string>().empty());
    const std::string fragment = bundle.at("text/html").get<std::string>();
    const XmlElement page = parse_xml("<div>" + fragment + fragment + "</div>");
    std::set<std::string> identifiers;
    check_no_identifiers(page, identifiers);
    CHECK(page.all("script").empty());
    for (std::size_t link = fragment.find("http"); link != std::string::npos; link = fragment.find("http", link + 1)) {
        CHECK(fragment.compare(link, 26, "http://www.w3.org/2000/svg") == 0);
    }
    return parse_xml("<div>" + fragment + "</div>");
}

std::string text_of(const XmlElement& element) {
    std::string text = element.text;
    for (const XmlElement& child : element.children) text += " " + text_of(child);
    return text;
}

std::vector<std::string> cell_titles(const XmlElement& picture) {
    std::vector<std::string> titles;
    for (const XmlElement& cells : picture.of_class("cells")) {
        for (const XmlElement& title : cells.all("title")) titles.push_back(title.text);
    }
    return titles;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("A kernel finds the pictures of all that can be shown") {
    gemma::Recorder recorder;
    record_small(recorder);
    const gemma::Matrix matrix = {{1, 2}};
    checked(kernel::display(tensor(matrix)));
    checked(kernel::display(attention(recorder, 0)));
    checked(kernel::display(recorder));
    checked(kernel::display(Chart{"c", {}, {}, {{"", {0, 1}, {0, 1}}}}));
    checked(kernel::display(bar_chart("b", "", {{"a", 1}})));
    checked(kernel::display(HeatMap{"h", "", "", {{1}}}));
    CHECK(kernel::display(42) == nlohmann::json{{"text/plain", "an object"}});

    const gemma::TemporaryDirectory folder;
    gemma::TraceHeader header;
    header.tokens = {2, 5};
    gemma::write_trace(folder / "t.safetensors", recorder, header);
    CHECK(kernel::display(gemma::TraceFile(folder / "t.safetensors")) == kernel::display(recorder));
}

TEST_CASE("A tensor shows its numbers, in their places") {
    const gemma::Matrix matrix = {{1, -2, 3}, {4, 5, 6.5f}};
    const nlohmann::json bundle = mime_bundle_repr(tensor(matrix, "y", {"a", "b"}));
    const XmlElement page = checked(bundle);
    CHECK(text_of(page).find("y [2, 3], least -2, mean 2.917, largest 6.5") != std::string::npos);
    CHECK(cell_titles(page) == Texts{"a, 0: 1", "a, 1: -2", "a, 2: 3", "b, 0: 4", "b, 1: 5", "b, 2: 6.5"});
    CHECK(bundle.at("text/plain") ==
          "y [2, 3], least -2, mean 2.917, largest 6.5\n"
          "        0       1       2\n"
          "a   1.000  -2.000   3.000\n"
          "b   4.000   5.000   6.500\n");

    const XmlElement vector = checked(mime_bundle_repr(tensor(gemma::Vector{3, 1, 2}, "v")));
    CHECK(text_of(vector).find("3 points, least 1 at 1, largest 3 at 0") != std::string::npos);
}

TEST_CASE("A tensor of three axes shows its slices, the first one open") {
    gemma::Tensor3 numbers = gemma::Tensor3::from_shape({20, 2, 2});
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers.data()[i] = static_cast<float>(i);
    const XmlElement page = checked(mime_bundle_repr(tensor(numbers, "q")));
    const std::vector<XmlElement> slices = page.all("details");
    REQUIRE(slices.size() == 16);
    CHECK(slices[0].attributes.count("open") == 1);
    CHECK(slices[1].attributes.count("open") == 0);
    CHECK(cell_titles(slices[3]) == Texts{"0, 0: 12", "0, 1: 13", "1, 0: 14", "1, 1: 15"});
    CHECK(text_of(page).find("… 4 more") != std::string::npos);
}

TEST_CASE("A large tensor is condensed to what a page can draw, and says so") {
    gemma::Matrix large = gemma::Matrix::from_shape({500, 2000});
    large.fill(1);
    large(499, 1999) = -7;
    const std::string fragment = html(tensor(large));
    CHECK(fragment.size() < 500000);
    const XmlElement page = parse_xml(fragment);
    CHECK(text_of(page).find("a cell: of 8 x 11 numbers the one furthest from zero") != std::string::npos);
    CHECK(text_of(page).find("least -7") != std::string::npos);
    CHECK(page.of_class("below").size() > 0);
}

TEST_CASE("Attention has a picture for each head, with tokens on both axes") {
    gemma::Recorder recorder;
    record_small(recorder);
    const Attention shown = attention(recorder, 0, {"<bos>", "a&b"});
    const XmlElement page = checked(mime_bundle_repr(shown));
    const std::vector<XmlElement> heads = page.all("svg");
    REQUIRE(heads.size() == 2);
    CHECK(heads[1].children.at(0).text == "head 1");
    CHECK(cell_titles(heads[0]) == Texts{"<bos>, <bos>: 1", "<bos>, a&b: 0", "a&b, <bos>: 0.25", "a&b, a&b: 0.75"});

    // With a cache fewer tokens look than are looked at: the last ones.
    const gemma::Tensor3 last = {{{0.25f, 0.75f}}};
    CHECK(cell_titles(parse_xml(html(attention(last, {"x", "y"})))) == Texts{"y, x: 0.25", "y, y: 0.75"});

    CHECK(error_message([&] { attention(last, {"x"}); }) ==
          "attention: found 1 tokens for shape [1, 1, 2], expected 2");
    CHECK(error_message([] {
              attention(gemma::Tensor3{{{1}, {1}}});
          }).rfind("attention: found shape [1, 2, 1]", 0) == 0);
}

TEST_CASE("A record is the list of its tensors") {
    gemma::Recorder recorder;
    record_small(recorder);
    const XmlElement page = checked(mime_bundle_repr(recorder));
    const std::vector<XmlElement> rows = page.all("tr");
    REQUIRE(rows.size() == 3);
    Texts cells;
    for (const XmlElement& cell : rows[2].all("td")) cells.push_back(cell.text);
    CHECK(cells == Texts{"model.norm", "[2, 3]", "-2", "2.83", "6", "▁▅█"});
}

TEST_CASE("Names and labels are escaped") {
    const std::string hard = "<b>\"&'";
    const gemma::Matrix one = {{1}};
    const XmlElement page = checked(mime_bundle_repr(tensor(one, hard, {hard})));
    CHECK(text_of(page).find(hard + " [1, 1]") != std::string::npos);
    CHECK(cell_titles(page) == Texts{hard + ", 0: 1"});
    gemma::Recorder recorder;
    gemma::Matrix shown = {{1}};
    const gemma::Trace trace(recorder);
    trace(hard, shown);
    CHECK(text_of(checked(mime_bundle_repr(recorder))).find(hard) != std::string::npos);
}

TEST_CASE("Tokens look as their pieces do") {
    const gemma::Tokenizer& tokenizer = gemma::nano_tokenizer();
    const std::vector<int> tokens = tokenizer.encode_prompt("Once");
    const Texts texts = token_texts(tokenizer, tokens);
    REQUIRE(texts.size() == tokens.size());
    CHECK(texts[0] == "<bos>");
    CHECK(texts[1] == tokenizer.piece(tokens[1]));
    CHECK(token_texts(tokenizer, tokenizer.encode("\n")).back().find('\n') == std::string::npos);
}

TEST_CASE("Labels must fit") {
    const gemma::Matrix matrix = {{1, 2}, {3, 4}};
    CHECK(error_message([&] { html(tensor(matrix, "y", {"a"})); }) ==
          "y: found 1 labels for shape [2, 2], expected one a row");
    CHECK(error_message([&] {
              plain_text(Tensor{"y", {2, 2}, {1, 2, 3}, {}});
          }) == "y: found 3 numbers of shape [2, 2], expected those of one to three axes");
}

}  // namespace viz
