// Checks the exercise against gemma/text/sampler.hpp.

#include "gemma/text/sampler.hpp"
#include "lessons/12_sampling/exercise.hpp"
#include "lessons/exercise.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace {

using gemma::Matrix;
using gemma::SamplerOptions;
using gemma::Vector;
using Tokens = std::vector<gemma::TokenProbability>;

SamplerOptions options_of(float temperature, std::size_t top_k, float top_p) {
    SamplerOptions options;
    options.temperature = temperature;
    options.top_k = top_k;
    options.top_p = top_p;
    return options;
}

// One number for each token of the vocabulary: its probability, or 1 where it is listed at all.
Vector spread(const Tokens& tokens, std::size_t V, bool listed) {
    Vector numbers = Vector::from_shape({V});
    numbers.fill(0.0f);
    for (const auto& [token, probability] : tokens) numbers(token) = listed ? 1.0f : probability;
    return numbers;
}

void show_returned(const Tokens& tokens, gemma::Trace trace) {
    Matrix rows = Matrix::from_shape({tokens.size(), 2});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        rows(i, 0) = static_cast<float>(tokens[i].token);
        rows(i, 1) = tokens[i].probability;
    }
    trace("returned", rows);
}

void show_right(const Matrix& logits, const SamplerOptions& options, gemma::Trace trace) {
    const std::size_t T = logits.shape(0), V = logits.shape(1);
    const Tokens after_top_k =
        gemma::next_token_distribution(logits, options_of(options.temperature, options.top_k, 1.0f));
    const Tokens all = gemma::next_token_distribution(logits, options);
    if (options.temperature > 0.0f) {
        Vector scaled = Vector::from_shape({V});
        for (std::size_t i = 0; i < V; ++i) scaled(i) = logits(T - 1, i) / options.temperature;
        Vector probs = spread(after_top_k, V, false), kept = spread(all, V, true), distribution = spread(all, V, false);
        trace("scaled", scaled);
        trace("probs", probs);
        trace("kept", kept);
        trace("distribution", distribution);
    }
    show_returned(all, trace);
}

lesson::Trial trial(const std::string& input, const Matrix& logits, const SamplerOptions& options) {
    return {
        input, [=](gemma::Trace trace) { show_right(logits, options, trace); },
        [=](gemma::Trace trace) { show_returned(exercise::next_token_distribution(logits, options, trace), trace); }};
}

}  // namespace

int main() {
    const Matrix small = {{0.0f, 0.0f, 9.0f, 0.0f, 0.0f, 0.0f}, {1.0f, 3.0f, -2.0f, 2.5f, 0.5f, 2.0f}};
    const Matrix ties = {{1.0f, 2.0f, 2.0f, 2.0f}};
    Matrix many = Matrix::from_shape({1, 100});
    for (std::size_t i = 0; i < 100; ++i) many(0, i) = 4.0f * std::sin(static_cast<float>(i * i));
    return lesson::check_exercise(
        "12_sampling", {trial("2 rows of 6 logits, temperature 1, all tokens", small, options_of(1.0f, 0, 1.0f)),
                        trial("temperature 0.5, top-k 4, top-p 0.9", small, options_of(0.5f, 4, 0.9f)),
                        trial("three equal logits, top-k 9 of 4, top-p 0.5", ties, options_of(2.0f, 9, 0.5f)),
                        trial("100 logits, temperature 0.8, top-k 20, top-p 0.8", many, options_of(0.8f, 20, 0.8f)),
                        trial("temperature 0: the likeliest alone", small, options_of(0.0f, 0, 1.0f))});
}
