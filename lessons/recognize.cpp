#include "lessons/recognize.hpp"

#include "gemma/trace/compare.hpp"
#include "gemma/trace/recorder.hpp"
#include "lessons/random.hpp"

#include <cmath>
#include <deque>
#include <exception>
#include <limits>
#include <memory>

namespace lesson {

namespace {

// Right implementations differ by less in a pass as small as this one, mistakes by more.
constexpr double noise = 3e-6;

// How far apart a tensor is in two records, relative to the first one's largest number.
double distance(const gemma::Record& reference, const gemma::Record& other, const std::string& name) {
    const gemma::TensorComparison comparison = gemma::compare_tensor(name, reference, other, noise);
    const bool comparable = comparison.match == gemma::Match::same || comparison.match == gemma::Match::different;
    return comparable ? comparison.relative : std::numeric_limits<double>::infinity();
}

}  // namespace

gemma::Model random_model(double embedding_size) {
    gemma::Config config = gemma::gemma_7b();
    config.vocab_size = 11;
    config.hidden_size = 8;
    config.intermediate_size = 12;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 6;  // H·d = 24, three times D

    Random random(14);
    const std::size_t D = config.hidden_size, F = config.intermediate_size;
    const std::size_t query = config.num_attention_heads * config.head_dim;
    const std::size_t key = config.num_key_value_heads * config.head_dim;
    const auto matrices = std::make_shared<std::deque<gemma::Matrix>>();  // what the weights view
    const auto matrix = [&](std::size_t rows, std::size_t columns, double size = 1.0) {
        matrices->push_back(random.normal<2>({rows, columns}, size / std::sqrt(static_cast<double>(columns))));
        return gemma::WeightMatrix::of(matrices->back());
    };
    const auto norm = [&] { return random.normal<1>({D}, 0.1); };
    gemma::Weights weights;
    weights.embed_tokens = matrix(config.vocab_size, D, embedding_size);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        weights.layers.push_back({norm(),
                                  {matrix(query, D), matrix(key, D), matrix(key, D), matrix(D, query)},
                                  norm(),
                                  {matrix(F, D), matrix(F, D), matrix(D, F)}});
    }
    weights.norm = norm();
    weights.storage = matrices;
    return gemma::Model(config, std::move(weights));
}

Recognized recognize(const LearnerPart& part) {
    // A small embedding makes RMSNorm's eps count.
    const gemma::Model model = random_model(0.03);
    const std::vector<int> tokens = {2, 7, 4, 10, 7, 3};
    gemma::Recorder clean, learner;
    gemma::forward_with({}, model, tokens, &clean);
    try {
        part(model, tokens, clean, gemma::Trace(learner));
    } catch (const std::exception&) {  // what it showed before still counts
    }

    Recognized result;
    std::vector<std::string> right;  // the learner's tensors before the first wrong one
    const std::vector<std::string> known = clean.names();
    for (const std::string& name : learner.names()) {
        if (std::find(known.begin(), known.end(), name) == known.end()) continue;  // a step of the exercise alone
        result.from_right = distance(clean, learner, name);
        if (!(result.from_right <= noise)) {
            result.tensor = name;
            break;
        }
        right.push_back(name);
    }
    if (result.tensor.empty()) return result;

    result.distance = std::numeric_limits<double>::infinity();
    for (const gemma::Mistake& mistake : gemma::known_mistakes()) {
        if (gemma::mistaken_tokens({mistake.name}, tokens) != tokens) continue;
        gemma::Recorder mistaken;
        gemma::forward_with({mistake.name}, model, tokens, &mistaken);
        const auto agrees = [&](const std::string& name) { return distance(mistaken, learner, name) <= noise; };
        if (!std::all_of(right.begin(), right.end(), agrees) || !agrees(result.tensor)) continue;
        result.mistakes.push_back(mistake);
        result.distance = std::min(result.distance, distance(mistaken, learner, result.tensor));
    }
    return result;
}

}  // namespace lesson
