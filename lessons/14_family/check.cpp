// Checks the last exercise: every tensor of the learner's Gemma, on a tiny model and against the official numbers.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/model.hpp"
#include "gemma/trace/names.hpp"
#include "gemma/trace/recorder.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/14_family/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>

namespace {

using gemma::Matrix;
using gemma::Trace;

template <std::size_t N>
void show(const gemma::RecordedTensor& recorded, const std::string& name, Trace trace) {
    std::array<std::size_t, N> shape;
    std::copy_n(recorded.shape.begin(), N, shape.begin());
    auto tensor = xt::xtensor<float, N>::from_shape(shape);
    std::copy(recorded.numbers.begin(), recorded.numbers.end(), tensor.data());
    trace(name, tensor);
}

// All tensors of a record. Scores of later tokens do not count, the mask takes them away: they become 0.
void show(const gemma::Record& record, Trace trace) {
    for (const std::string& name : record.names()) {
        gemma::RecordedTensor tensor = record.tensor(name);
        const std::size_t rank = tensor.shape.size(), last = tensor.shape.back();
        if (gemma::is_scores(name) && rank == 3 && tensor.shape[1] == last) {
            for (std::size_t i = 0; i < tensor.numbers.size(); ++i) {
                if (i % last > i / last % last) tensor.numbers[i] = 0;
            }
        }
        if (rank == 1) show<1>(tensor, name, trace);
        if (rank == 2) show<2>(tensor, name, trace);
        if (rank == 3) show<3>(tensor, name, trace);
    }
}

// What the learner's function shows, also when it ends in an error.
void run_learner(const std::vector<int>& tokens, const gemma::Config& config, const gemma::Weights& weights,
                 Trace trace) {
    gemma::Recorder recorder;
    try {
        exercise::forward(tokens, config, weights, Trace(recorder));
    } catch (...) {
        show(recorder, trace);
        throw;
    }
    show(recorder, trace);
}

gemma::Config tiny_config() {
    gemma::Config config = gemma::gemma_7b();
    config.vocab_size = 11;
    config.hidden_size = 8;
    config.intermediate_size = 12;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 6;  // H·d = 24, three times D
    return config;
}

// Random weights; `matrices` keeps what they view.
gemma::Weights random_weights(const gemma::Config& config, std::deque<Matrix>& matrices) {
    lesson::Random random(14);
    const std::size_t D = config.hidden_size, F = config.intermediate_size;
    const std::size_t query = config.num_attention_heads * config.head_dim;
    const std::size_t key = config.num_key_value_heads * config.head_dim;
    const auto matrix = [&](std::size_t rows, std::size_t columns) {
        matrices.push_back(random.normal<2>({rows, columns}, 1 / std::sqrt(static_cast<double>(columns))));
        return gemma::WeightMatrix::of(matrices.back());
    };
    const auto norm = [&] { return random.normal<1>({D}, 0.1); };
    gemma::Weights weights;
    weights.embed_tokens = matrix(config.vocab_size, D);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        weights.layers.push_back({norm(),
                                  {matrix(query, D), matrix(key, D), matrix(key, D), matrix(D, query)},
                                  norm(),
                                  {matrix(F, D), matrix(F, D), matrix(D, F)}});
    }
    weights.norm = norm();
    return weights;
}

}  // namespace

int main() {
    const gemma::Config config = tiny_config();
    std::deque<Matrix> matrices;
    const gemma::Model tiny(config, random_weights(config, matrices));
    const std::vector<int> tokens = {2, 7, 4, 10, 7};

    const gemma::Model nano(gemma::embedded_model());
    const gemma::TraceFile official(GEMMA_LESSON "/../10_forward_pass/official.safetensors");

    const lesson::Trial small{"a tiny Gemma of random numbers: 2 layers, 4 query heads, 2 key/value heads, 5 tokens",
                              [&](Trace trace) {
                                  gemma::Recorder recorder;
                                  gemma::KVCache cache(config, tokens.size());
                                  tiny.forward(tokens, cache, Trace(recorder));
                                  show(recorder, trace);
                              },
                              [&](Trace trace) { run_learner(tokens, config, tiny.weights(), trace); }};
    const lesson::Trial real{
        "the small model, against the official numbers of google/gemma_pytorch",
        [&](Trace trace) { show(official, trace); },
        [&](Trace trace) { run_learner(official.header().tokens, nano.config(), nano.weights(), trace); }};
    // Right implementations in float32 agree on logits within 5e-5.
    return lesson::check_exercise("14_family", {small, real}, 5e-5);
}
