// Your part: temperature, top-k and top-p. lessons/run 12 --exercise checks it, step by step.

#include "lessons/12_sampling/exercise.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace exercise {

namespace {

// The tokens in the order of their numbers, largest first, ties by id.
std::vector<std::size_t> likeliest_first(const float* numbers, std::size_t V) {
    std::vector<std::size_t> order(V);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return numbers[a] > numbers[b]; });
    return order;
}

}  // namespace

std::vector<gemma::TokenProbability> next_token_distribution(const gemma::Matrix& logits,
                                                             const gemma::SamplerOptions& options, gemma::Trace trace) {
    const std::size_t T = logits.shape(0), V = logits.shape(1);
    const float* const z = &logits(T - 1, 0);  // z[i] is the logit of token i in the last row
    const std::vector<std::size_t> order = likeliest_first(z, V);
    if (options.temperature == 0.0f) return {{static_cast<int>(order[0]), 1.0f}};

    // 1. scaled_i = z_i / temperature                                                              [V]
    //    Into a tensor of its own: the logits stay as they are.
    gemma::Vector scaled = gemma::Vector::from_shape({V});
    scaled.fill(0.0f);
    // your code: fill scaled
    trace("scaled", scaled);

    // 2. probs_i = exp(scaled_i - largest) / Σ_j exp(scaled_j - largest), over the k likeliest tokens only:
    //    order[0] … order[k - 1]. The others stay 0. options.top_k of 0, or above V, means all V.   [V]
    gemma::Vector probs = gemma::Vector::from_shape({V});
    probs.fill(0.0f);
    // your code: fill probs
    trace("probs", probs);

    // 3. kept_i = 1 for the likeliest tokens, in order, until their probs reach options.top_p; the one that reaches it
    //    is kept too. With top_p = 1 all k are kept.                                               [V]
    gemma::Vector kept = gemma::Vector::from_shape({V});
    kept.fill(0.0f);
    // your code: fill kept
    trace("kept", kept);

    // 4. distribution_i = probs_i kept_i / Σ_j probs_j kept_j                                      [V]
    gemma::Vector distribution = gemma::Vector::from_shape({V});
    distribution.fill(0.0f);
    // your code: fill distribution
    trace("distribution", distribution);

    std::vector<gemma::TokenProbability> tokens;
    for (const std::size_t i : order) {
        if (kept(i) > 0.0f) tokens.push_back({static_cast<int>(i), distribution(i)});
    }
    return tokens;
}

}  // namespace exercise
