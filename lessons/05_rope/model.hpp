// RoPE in a forward pass: q_proj, turned by hand, is q_rope; and the official model's numbers.
#pragma once

#include "gemma/components/mqa.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/error.hpp"
#include "gemma/model/kv_cache.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/05_rope/planes.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace planes {

using lesson::Lesson;

inline const char* const prompt = "Tom has a ball. Mia has a kite.";

/// A tensor of a record that has three axes.
inline Tensor3 tensor3(const gemma::Record& record, const std::string& name) {
    const gemma::RecordedTensor recorded = record.tensor(name);
    Tensor3 tensor = Tensor3::from_shape({recorded.shape.at(0), recorded.shape.at(1), recorded.shape.at(2)});
    std::copy(recorded.numbers.begin(), recorded.numbers.end(), tensor.begin());
    return tensor;
}

/// The formula, written out: x [T, heads, d] at positions 0 … T - 1. Angles in float32, all else in double.
inline Tensor3 turned_by_hand(const Tensor3& x, float theta) {
    Tensor3 y = x;
    const std::size_t pairs = x.shape(2) / 2;
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t j = 0; j < pairs; ++j) {
            const float exponent = static_cast<float>(2 * j) / static_cast<float>(2 * pairs);
            const double angle = static_cast<float>(t) * (1.0f / std::pow(theta, exponent));
            for (std::size_t h = 0; h < x.shape(1); ++h) {
                const double first = x(t, h, j), second = x(t, h, j + pairs);
                y(t, h, j) = static_cast<float>(first * std::cos(angle) - second * std::sin(angle));
                y(t, h, j + pairs) = static_cast<float>(first * std::sin(angle) + second * std::cos(angle));
            }
        }
    }
    return y;
}

/// What attention looks at, [H, T, T], for queries and keys that are turned already.
inline Tensor3 probabilities(const Tensor3& query, const Tensor3& key) {
    gemma::KeyValues past(key.shape(1), key.shape(0), key.shape(2));
    past.append(key, key);
    return gemma::causal_softmax(gemma::attention_scores(query, past));
}

inline std::string layer(std::size_t i, const char* name) {
    return fmt::format("model.layers.{}.self_attn.{}", i, name);
}

/// The share of the attention that goes to other tokens, 0 to 1, averaged over heads and tokens.
inline double moved_attention(const Tensor3& right, const Tensor3& other) {
    double sum = 0;
    for (std::size_t i = 0; i < right.size(); ++i) sum += std::abs(1.0 * right.data()[i] - other.data()[i]);
    return sum / 2 / static_cast<double>(right.shape(0) * right.shape(1));
}

inline void in_the_model(Lesson& lesson) {
    lesson.step("In a forward pass: q_proj becomes q_rope");
    const gemma::Config& config = lesson.model().config();
    const std::vector<int> tokens = lesson.tokenizer().encode_prompt(prompt);
    gemma::KVCache cache(config, tokens.size());
    lesson.model().forward(tokens, cache, lesson.trace());
    lesson.traced(prompt, tokens);

    const Tensor3 q_proj = tensor3(lesson.recorder(), layer(0, "q_proj"));
    const Tensor3 q_rope = tensor3(lesson.recorder(), layer(0, "q_rope"));
    const std::size_t t = tokens.size() - 1, d = config.head_dim;
    lesson.text(
        fmt::format("The prompt \"{}\" in {} tokens. Layer 0, head 0, the last token, at position {}. A head has d = "
                    "{} numbers; a few of its {} pairs, turned by hand:",
                    prompt, tokens.size(), t, d, d / 2));
    const Tensor3 by_hand = turned_by_hand(q_proj, config.rope_theta);
    const gemma::Vector theta = gemma::rope_frequencies(d, config.rope_theta);
    viz::Table table{{"pair", "angle", "q_proj", "", "by hand", "", "q_rope", ""}, {}};
    const auto number = [](float value) { return fmt::format("{:.4f}", value); };
    for (const std::size_t j : {std::size_t{0}, std::size_t{1}, d / 8, d / 4, d / 2 - 1}) {
        const std::size_t k = j + d / 2;
        table.rows.push_back({fmt::format("{}, {}", j, k), fmt::format("{:.4f}", static_cast<float>(t) * theta(j)),
                              number(q_proj(t, 0, j)), number(q_proj(t, 0, k)), number(by_hand(t, 0, j)),
                              number(by_hand(t, 0, k)), number(q_rope(t, 0, j)), number(q_rope(t, 0, k))});
    }
    lesson.table(table);

    double worst = 0, moved = 0;
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        const Tensor3 query = tensor3(lesson.recorder(), layer(i, "q_proj"));
        const Tensor3 key = tensor3(lesson.recorder(), layer(i, "k_proj"));
        worst = std::max(worst, relative_difference(tensor3(lesson.recorder(), layer(i, "q_rope")),
                                                    turned_by_hand(query, config.rope_theta)));
        worst = std::max(worst, relative_difference(tensor3(lesson.recorder(), layer(i, "k_rope")),
                                                    turned_by_hand(key, config.rope_theta)));
        moved += moved_attention(tensor3(lesson.recorder(), layer(i, "probs")),
                                 probabilities(interleaved_rope(query, 0), interleaved_rope(key, 0))) /
                 static_cast<double>(config.num_hidden_layers);
    }
    lesson.check("q_rope and k_rope of each layer, by hand", worst, 2e-6, "the formula");

    lesson.text("And the same weights with the other pairs, interleaved: how much of the attention goes elsewhere?");
    lesson.line(fmt::format("  Averaged over layers, heads and tokens, {:.1f} % of the attention.", 100 * moved));
    lesson.line("");
    lesson.notice(
        "No error, no warning, every number finite, and the model looks at the wrong words. Lesson 14 breaks it on "
        "purpose.");
    lesson.check("interleaved pairs do not fit these weights", moved > 0.01, "attention moves");
}

/// Turns the official model's q_proj and k_proj of each layer, compares with its q_rope and k_rope, and remembers the
/// largest difference.
inline void check_against(Lesson& lesson, const std::string& which, const gemma::TraceFile& official) {
    double worst = 0;
    std::size_t tensors = 0;
    const std::vector<std::string> names = official.names();
    for (const std::string& name : names) {
        const std::size_t end = name.rfind("_proj");
        const std::string turned_name = name.substr(0, end) + "_rope";
        if (end == std::string::npos || std::find(names.begin(), names.end(), turned_name) == names.end()) continue;
        const Tensor3 x = tensor3(official, name);
        const gemma::Rotation rotation = gemma::rope_rotation(0, x.shape(0), x.shape(2));
        worst = std::max(worst, relative_difference(gemma::rope(x, rotation), tensor3(official, turned_name)));
        ++tensors;
    }
    if (tensors == 0)
        gemma::fail("{}: no q_proj with its q_rope, expected those of each layer", official.path().string());
    lesson.check(fmt::format("{}: {} turned tensors", which, tensors), worst, 2e-6, "the official model");
}

inline void against_the_official_model(Lesson& lesson) {
    namespace fs = std::filesystem;
    const fs::path here(GEMMA_LESSON), fixtures = here / "../../tests/fixtures/tiny";
    check_against(lesson, "the small model", gemma::TraceFile(here / "../10_forward_pass/official.safetensors"));
    check_against(lesson, "heads of 256", gemma::TraceFile(fixtures / "wide_heads/expected.safetensors"));

    // Its trace has only what is turned: the library computes the queries.
    const gemma::TraceFile official(fixtures / "long/expected.safetensors");
    const gemma::Model model(fixtures / "long");
    const std::vector<int>& tokens = official.header().tokens;
    gemma::Recorder recorder({{layer(0, "q_rope")}});
    gemma::KVCache cache(model.config(), tokens.size());
    model.read(tokens, cache, gemma::Trace(recorder));
    lesson.check(fmt::format("a model read {} tokens: q_rope", tokens.size()),
                 relative_difference(tensor3(recorder, layer(0, "q_rope")), tensor3(official, layer(0, "q_rope"))),
                 1e-5, "the official model");
}

}  // namespace planes
