#include "gemma/diagnose/mistakes.hpp"

#include "gemma/diagnose/diagnose.hpp"
#include "gemma/trace/recorder.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/recording.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

using namespace gemma;

namespace {

const std::vector<int> eight_tokens = {2, 17, 5, 110, 17, 60, 3, 99};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The names of a pass in their order, and its numbers.
class Ordered : public Observer {
public:
    void observe(const std::string& name, const TensorView& tensor) override {
        names.push_back(name);
        numbers.emplace_back(tensor.data, tensor.data + tensor.size());
    }
    std::vector<std::string> names;
    std::vector<std::vector<float>> numbers;
};

std::string first_change(const Ordered& clean, const Ordered& mistaken) {
    for (std::size_t i = 0; i < clean.names.size(); ++i) {
        if (!same_bits(clean.numbers[i], mistaken.numbers[i])) return clean.names[i];
    }
    return "nothing";
}

// The record of a pass.
struct RecordedPass : Recorder {
    RecordedPass(const std::vector<std::string>& mistakes, const Model& model) {
        forward_with(mistakes, model, eight_tokens, this);
    }
};

}  // namespace

TEST_CASE("a pass without a mistake is the model's") {
    const Model model = tiny_model(tiny_config(), 7);
    KVCache cache(model.config(), eight_tokens.size());
    Recording plain, with_none;
    const Matrix logits = model.forward(eight_tokens, cache, Trace(plain));
    const bool same_logits = forward_with({}, model, eight_tokens, &with_none) == logits;
    CHECK(same_logits);
    for (const auto& record : plain.records) {
        CAPTURE(record.first);
        CHECK(same_bits(record.second[0].values, with_none.records.at(record.first)[0].values));
    }
}

TEST_CASE("each mistake has a name of its own and shows first where it says") {
    Config config = tiny_config();
    config.hidden_size = 24;  // so that no size is another one, and D/H = 6 would be d
    config.head_dim = 10;
    const Model model = tiny_model(config, 8);
    Ordered clean;
    forward_with({}, model, eight_tokens, &clean);

    std::set<std::string> names;
    for (const Mistake& mistake : known_mistakes()) {
        CAPTURE(mistake.name);
        CHECK(names.insert(mistake.name).second);
        CHECK_FALSE(mistake.what.empty());
        CHECK_FALSE(mistake.source.empty());
        CHECK(find_mistake(mistake.name).what == mistake.what);
        if (mistake.shows_at == "tokens") {
            CHECK(mistaken_tokens({mistake.name}, eight_tokens) != eight_tokens);
            continue;
        }
        CHECK(mistaken_tokens({mistake.name}, eight_tokens) == eight_tokens);
        Ordered mistaken;
        forward_with({mistake.name}, model, eight_tokens, &mistaken);
        const std::string last_layer = "model.layers." + std::to_string(config.num_hidden_layers - 1);
        CHECK(first_change(clean, mistaken) == (mistake.name == "last-layer-missing" ? last_layer : mistake.shows_at));
    }
}

TEST_CASE("a bfloat16 pass with a mistake has bfloat16 numbers outside of the norms") {
    const Model model(tiny_config(), TinyWeights(tiny_config(), 9).take(), Precision::bfloat16);
    for (const Mistake& mistake : known_mistakes()) {
        CAPTURE(mistake.name);
        Recording recording;
        forward_with({mistake.name}, model, eight_tokens, &recording);
        for (const auto& record : recording.records) {
            const std::string& name = record.first;
            if (name.find(".mean_square") != name.npos || name.find(".normalized") != name.npos) continue;
            CAPTURE(name);
            std::vector<float> rounded = record.second[0].values;
            round_to(Precision::bfloat16, rounded.data(), rounded.size());
            CHECK(same_bits(rounded, record.second[0].values));
        }
    }
}

TEST_CASE("bos mistakes change the tokens") {
    CHECK(mistaken_tokens({"bos-missing"}, {2, 5, 7}) == std::vector<int>{5, 7});
    CHECK(mistaken_tokens({"bos-twice"}, {2, 5, 7}) == std::vector<int>{2, 2, 5, 7});
    CHECK(token_mistake({2, 5, 7}, {5, 7}) == "bos-missing");
    CHECK(token_mistake({2, 5, 7}, {2, 2, 5, 7}) == "bos-twice");
    CHECK_FALSE(token_mistake({2, 5, 7}, {2, 5, 8}).has_value());
}

TEST_CASE("mistakes that compute the same tensor do not meet, all others do") {
    CHECK_FALSE(can_meet("gelu-erf", "gelu-erf"));
    CHECK_FALSE(can_meet("gelu-erf", "gate-silu"));
    CHECK_FALSE(can_meet("bos-missing", "bos-twice"));
    CHECK_FALSE(can_meet("mask-missing", "mask-off-by-one"));
    CHECK(can_meet("gelu-erf", "rope-interleaved"));
    CHECK(can_meet("heads-tiled", "scale-missing"));  // computed anew, then scaled
    CHECK(can_meet("bos-twice", "gelu-erf"));
}

TEST_CASE("an unknown mistake is named") {
    const Model model = tiny_model(tiny_config(), 7);
    CHECK(error_message([&] { forward_with({"gelu"}, model, eight_tokens); }).find("\"gelu\"") != std::string::npos);
}

TEST_CASE("diagnose finds a mistake, and a second one behind it") {
    const Model model = tiny_model(tiny_config(), 10);
    for (const std::vector<std::string>& made : {std::vector<std::string>{"rope-interleaved"},
                                                 {"norm-weight-plain", "gate-silu"},
                                                 {"bos-twice", "gelu-erf"}}) {
        const RecordedPass other(made, model);
        const Diagnosis diagnosis =
            diagnose(model, eight_tokens, {other, mistaken_tokens(made, eight_tokens), DType::float32});
        REQUIRE_FALSE(diagnosis.explanations().empty());
        CHECK(diagnosis.explanations().front().mistakes == made);
    }
}

TEST_CASE("where the trace does not say its tokens, a missing bos is found by its shapes") {
    const Model model = tiny_model(tiny_config(), 10);
    const RecordedPass other({"bos-missing"}, model);
    const Diagnosis diagnosis = diagnose(model, eight_tokens, {other, {}, DType::float32});
    CHECK(diagnosis.clean.first == "model.embed_tokens");
    REQUIRE_FALSE(diagnosis.explanations().empty());
    CHECK(diagnosis.explanations().front().mistakes == std::vector<std::string>{"bos-missing"});
}

TEST_CASE("a right trace takes one pass, and a search ends in the layer where it begins") {
    const Model model = tiny_model(tiny_config(), 11);
    const RecordedPass clean({}, model), other({"gelu-erf"}, model);
    CHECK(diagnose(model, eight_tokens, {clean, eight_tokens, DType::float32}).passes == 1);

    std::size_t passes = 0;
    DiagnoseOptions options;
    options.progress = [&](std::size_t count, const std::vector<std::string>&) { passes = count + 1; };
    const Diagnosis diagnosis = diagnose(model, eight_tokens, {other, eight_tokens, DType::float32}, options);
    CHECK(passes == diagnosis.passes);
    CHECK(passes <= known_mistakes().size() + 3);  // each mistake once; the clean pass twice, the right one to its end
}

TEST_CASE("a factor and another order are seen where no mistake is known") {
    const Model model = tiny_model(tiny_config(), 12);
    struct Changed : Observer {
        Recorder recorder;
        bool reverse = false;
        void observe(const std::string& name, const TensorView& tensor) override {
            std::vector<float> numbers(tensor.data, tensor.data + tensor.size());
            if (name == "lm_head" && reverse) std::reverse(numbers.begin(), numbers.end());
            if (name == "lm_head" && !reverse) {
                for (float& number : numbers) number *= 0.25f;
            }
            recorder.observe(name, {numbers.data(), tensor.shape});
        }
    };
    Changed scaled, reversed;
    reversed.reverse = true;
    forward_with({}, model, eight_tokens, &scaled);
    forward_with({}, model, eight_tokens, &reversed);
    const Diagnosis by_factor = diagnose(model, eight_tokens, {scaled.recorder, eight_tokens, DType::float32});
    REQUIRE(by_factor.factor.has_value());
    CHECK(*by_factor.factor == doctest::Approx(0.25));
    CHECK(by_factor.explanations().empty());
    const Diagnosis by_order = diagnose(model, eight_tokens, {reversed.recorder, eight_tokens, DType::float32});
    CHECK_FALSE(by_order.factor.has_value());
    CHECK(by_order.reordered);
}

TEST_CASE("texts that are said equally far are ranked by their probability, also the clean pass") {
    const Model model = tiny_model(tiny_config(), 13);
    const Matrix logits = forward_with({}, model, eight_tokens);
    const float* row = &logits(logits.shape(0) - 1, 0);
    std::vector<int> text = eight_tokens;
    text.push_back(static_cast<int>(std::min_element(row, row + logits.shape(1)) - row));
    const std::vector<TextAttempt> attempts = diagnose_text(model, text, eight_tokens.size());
    CHECK(std::is_sorted(attempts.begin(), attempts.end(), [](const TextAttempt& a, const TextAttempt& b) {
        return a.first.has_value() == b.first.has_value() ? a.log_probability > b.log_probability
                                                          : !a.first.has_value();
    }));
    const auto clean = std::find_if(attempts.begin(), attempts.end(),
                                    [](const TextAttempt& attempt) { return attempt.mistakes.empty(); });
    CHECK(clean->first == 0);
    CHECK(clean != std::find_if(attempts.begin(), attempts.end(),
                                [](const TextAttempt& attempt) { return attempt.first == 0; }));
}

TEST_CASE("a text is said best by the mistake that wrote it") {
    const Model model = tiny_model(tiny_config(), 13);
    for (const std::vector<std::string>& made : {std::vector<std::string>{}, {"rope-interleaved"}}) {
        std::vector<int> text = eight_tokens;
        for (int i = 0; i < 16; ++i) {
            const Matrix logits = forward_with(made, model, text);
            const float* row = &logits(logits.shape(0) - 1, 0);
            text.push_back(static_cast<int>(std::max_element(row, row + logits.shape(1)) - row));
        }
        const std::vector<TextAttempt> attempts = diagnose_text(model, text, eight_tokens.size());
        const auto wrote = std::find_if(attempts.begin(), attempts.end(),
                                        [&](const TextAttempt& attempt) { return attempt.mistakes == made; });
        CHECK(wrote->likeliest == 16);
        CHECK_FALSE(wrote->first.has_value());
        CHECK(wrote->log_probability < 0);
        CHECK_FALSE(attempts.front().first.has_value());
        if (made.empty()) CHECK(attempts.front().mistakes.empty());
    }
    CHECK(error_message([&] { diagnose_text(model, eight_tokens, eight_tokens.size()); }).find("8 tokens") !=
          std::string::npos);
}
