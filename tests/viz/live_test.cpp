#include "viz/live.hpp"

#include "gemma/checkpoint/embedded.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/tokenizer_fixture.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <numeric>

using namespace gemma;
using nlohmann::json;

namespace {

const Model& nano() {
    static const Model model(embedded_model());
    return model;
}

std::vector<json> answered(const viz::LiveRequest& request) {
    std::vector<json> lines;
    viz::answer(request, nano(), nano_tokenizer(), [&](const std::string& line) {
        lines.push_back(json::parse(line));
        return true;
    });
    return lines;
}

viz::LiveRequest request_for(const std::string& prompt) {
    viz::LiveRequest request;
    request.prompt = prompt;
    request.generation.max_tokens = 12;
    return request;
}

// What generate gives by itself, with an observer.
std::vector<int> generated(const viz::LiveRequest& request, Trace trace = {}) {
    KVCache cache(nano().config(), 100);
    Sampler sampler(request.sampling);
    return generate(nano(), cache, nano_tokenizer().encode_prompt(request.prompt), sampler, request.generation, {},
                    trace)
        .tokens;
}

std::vector<int> tokens_of(const std::vector<json>& lines) {
    std::vector<int> tokens;
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) tokens.push_back(lines[i]["token"]);
    return tokens;
}

std::string refused(const std::string& text) {
    return error_message([&] { viz::parse_live_request(text); });
}

}  // namespace

TEST_CASE("A live request: what is not said is greedy, 64 tokens, no edits") {
    const viz::LiveRequest request = viz::parse_live_request(R"({"prompt": "Hi"})");
    CHECK(request.prompt == "Hi");
    CHECK(!request.chat);
    CHECK(request.generation.max_tokens == 64);
    CHECK(request.sampling.temperature == 0);
    CHECK(request.edits.empty());
}

TEST_CASE("A live request: all that can be said") {
    const viz::LiveRequest request = viz::parse_live_request(
        R"({"prompt": "Hi", "chat": true, "max_tokens": 3, "temperature": 0.5, "top_k": 7, "top_p": 0.25, "seed": 9,
            "edits": [{"name": "lm_head", "head": null, "token": 4, "number": 5, "factor": 1, "offset": -2.5}]})");
    CHECK(request.chat);
    CHECK(request.generation.max_tokens == 3);
    CHECK(request.sampling.temperature == 0.5f);
    CHECK(request.sampling.top_k == 7);
    CHECK(request.sampling.top_p == 0.25f);
    CHECK(request.sampling.seed == 9);
    REQUIRE(request.edits.size() == 1);
    CHECK(request.edits[0].name == "lm_head");
    CHECK(!request.edits[0].head);
    CHECK(request.edits[0].token == 4);
    CHECK(request.edits[0].number == 5);
    CHECK(request.edits[0].factor == 1);
    CHECK(request.edits[0].offset == -2.5f);
}

TEST_CASE("A live request that is none is refused with a reason") {
    CHECK(refused("{") == "the request: not valid JSON at line 1, column 2, expected an object");
    CHECK(refused("[]") == "the request: found JSON of type array, expected an object");
    CHECK(refused("{}") == "the request: prompt is null, expected a text");
    CHECK(refused(R"({"prompt": "a", "promt": "b"})") == "the request: found \"promt\", which it does not have");
    CHECK(refused(R"({"prompt": "a", "max_tokens": -1})") ==
          "the request: max_tokens is -1, expected a whole number from 0 to 8192");
    CHECK(refused(R"({"prompt": "a", "temperature": "hot"})") ==
          "the request: temperature is \"hot\", expected a number from -1e6 to 1e6");
    CHECK(refused(R"({"prompt": "a", "temperature": -1})") != "no error");
    CHECK(refused(R"({"prompt": "a", "top_p": 0})") != "no error");
    CHECK(refused(R"({"prompt": "a", "edits": {}})") == "the request: edits is {}, expected a list of at most 32");
    CHECK(refused(R"({"prompt": "a", "edits": [{"head": 1}]})") ==
          "the request: an edit's name is null, expected a text");
    CHECK(refused(R"({"prompt": "a", "chat": 1})") == "the request: chat is 1, expected true or false");
}

TEST_CASE("A live answer has the tokens that generate gives, the probabilities of the logits, and an end") {
    const viz::LiveRequest request = request_for("Anna gave the ball to");
    const std::vector<json> lines = answered(request);
    CHECK(tokens_of(lines) == generated(request));
    CHECK(lines.back()["stop"] == "max_tokens");
    std::vector<int> prompt;
    for (const json& token : lines.front()["prompt"]) prompt.push_back(token["token"]);
    CHECK(prompt == nano_tokenizer().encode_prompt(request.prompt));

    // The first token's probability is that of softmax over the prompt's last logits.
    KVCache cache(nano().config(), prompt.size());
    const Matrix logits = nano().forward_last(prompt, cache);
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const int first = lines[1]["token"];
    const double expected = std::exp(static_cast<double>(logits(0, static_cast<std::size_t>(first)))) / sum;
    CHECK(lines[1]["probability"].get<double>() == doctest::Approx(expected).epsilon(1e-5));
    CHECK(lines[1]["likeliest"][0]["token"] == first);
    CHECK(lines[1]["likeliest"].size() == 10);

    std::string text;
    for (std::size_t i = 1; i < lines.size(); ++i) text += lines[i]["text"].get<std::string>();
    CHECK(text == nano_tokenizer().decode(tokens_of(lines)));
}

TEST_CASE("A live answer with edits is what generate gives with an editor, and another text") {
    viz::LiveRequest request = request_for("Anna gave the ball to Tom. Now the ball belongs to");
    request.edits = {Edit{"model.layers.*.self_attn.context"}};
    Editor editor(request.edits);
    const std::vector<int> tokens = tokens_of(answered(request));
    CHECK(tokens == generated(request, Trace(editor)));
    CHECK(tokens != generated(request));
}

TEST_CASE("A live answer ends when it is asked to") {
    std::size_t lines = 0;
    viz::answer(request_for("Once upon"), nano(), nano_tokenizer(), [&](const std::string&) { return ++lines < 3; });
    CHECK(lines <= 4);
}

TEST_CASE("A live answer ends within a token when its time is over, and says so") {
    for (const std::size_t tensors : {0, 1, 100, 500}) {
        std::size_t seen = 0;
        std::vector<json> lines;
        const auto ended = [&]() -> const char* { return seen++ < tensors ? nullptr : "time"; };
        viz::LiveRequest request = request_for("Once upon a time");
        request.generation.max_tokens = 400;
        viz::answer(
            request, nano(), nano_tokenizer(),
            [&](const std::string& line) {
                lines.push_back(json::parse(line));
                return true;
            },
            ended);
        CHECK(lines.back()["stop"] == "time");
        CHECK(lines.size() < 100);
        CHECK(seen == tensors + 1);  // nothing is computed after it
    }
}

TEST_CASE("A trace is not made into a page when its time is over") {
    const viz::PageRequest request = viz::parse_page_request(R"({"tokens": [2, 300, 301]})");
    CHECK_THROWS_AS(viz::trace_page(request, "nano", nano(), nano_tokenizer(), [] { return "time"; }),
                    viz::Interrupted);
}

TEST_CASE("Edits that make logits no numbers end the answer with the reason") {
    viz::LiveRequest request = request_for("Once upon");
    Edit edit{"lm_head"};
    edit.offset = std::nanf("");
    request.edits = {edit};
    CHECK(answered(request).back().contains("error"));
}

TEST_CASE("Edits that fit no tensor are refused") {
    CHECK(error_message([&] { viz::check_edits({Edit{"model.layers.99"}}, nano()); }) ==
          "the request: no tensor fits the edit \"model.layers.99\"");
    Edit head{"model.layers.0.self_attn.context"};
    head.head = 99;
    CHECK(error_message([&] { viz::check_edits({head}, nano()); }) != "no error");
    CHECK(error_message([&] { viz::check_edits({Edit{"model.layers.0"}}, nano()); }) == "no error");
}

TEST_CASE("A page request is checked before anything is computed") {
    const auto refused = [](const std::string& text) {
        return error_message([&] { viz::trace_page(viz::parse_page_request(text), "nano", nano(), nano_tokenizer()); });
    };
    CHECK(refused(R"({"tokens": []})") == "the request: tokens is [], expected a list of token ids");
    CHECK(refused(R"({"tokens": [2, "a"]})") != "no error");
    CHECK(refused(R"({"tokens": [2, -1]})") != "no error");
    CHECK(refused(R"({"tokens": [2, 2147483647]})") != "no error");
    CHECK(refused(R"({"tokens": [2], "prompt_tokens": 2})") ==
          "the request: prompt_tokens is 2, expected a whole number from 0 to 1");
    CHECK(refused(json{{"tokens", std::vector<int>(513, 2)}}.dump()) ==
          "the request: found 513 tokens, expected at most 512, the model's context");
    CHECK(refused(R"({"tokens": [2, 300, 301]})") == "no error");
}
