// The small model that comes along, used as its users do: the instruct version answers questions about stories that
// it has never read, the pretrained one continues them.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/chat.hpp"
#include "gemma/text/generate.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <string>
#include <vector>

namespace gemma {
namespace {

struct Question {
    std::string kind, story, question, answer;
    std::vector<std::string> accept;  // words that a right answer holds, lower case
};

std::vector<Question> held_out_questions() {
    std::ifstream file(std::string(GEMMA_FIXTURES) + "/nano/questions.jsonl");
    std::vector<Question> questions;
    for (std::string line; std::getline(file, line);) {
        const auto entry = nlohmann::json::parse(line);
        questions.push_back({entry["kind"], entry["story"], entry["question"], entry["answer"], entry["accept"]});
    }
    return questions;
}

std::string lower_case(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

std::string greedy_answer(const Model& model, const Tokenizer& tokenizer, const std::string& message) {
    KVCache cache(model.config(), model.config().max_position_embeddings);
    Sampler greedy{SamplerOptions{}};
    GenerateOptions options;
    options.max_tokens = 40;
    return tokenizer.decode(generate(model, cache, user_turn(tokenizer, message, true), greedy, options).tokens);
}

bool holds_all(const std::string& text, const std::vector<std::string>& words) {
    return std::all_of(words.begin(), words.end(),
                       [&](const std::string& word) { return text.find(word) != std::string::npos; });
}

}  // namespace

TEST_CASE("The instruct model answers at least 95 % of the held-out questions right") {
    const Model model(embedded_instruct_model());
    const Tokenizer tokenizer(embedded_instruct_model() / "tokenizer.model");
    const std::vector<Question> questions = held_out_questions();
    REQUIRE(questions.size() == 200);
    std::size_t right = 0;
    for (const Question& question : questions) {
        const std::string answer = greedy_answer(model, tokenizer, question.story + "\n\n" + question.question);
        if (holds_all(lower_case(answer), question.accept)) {
            ++right;
        } else {
            MESSAGE(question.kind << ": " << question.question << " expected: " << question.answer
                                  << " found: " << answer);
        }
    }
    CHECK(right >= 190);
}

}  // namespace gemma
