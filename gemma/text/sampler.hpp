// From logits to the next token.
//
//   temperature  softmax(logits / temperature): below 1 the likely become likelier; 0: greedy, always the likeliest
//   top-k        only the k likeliest tokens (Fan et al. 2018)
//   top-p        only the likeliest tokens that together reach the probability p (Holtzman et al. 2019, "nucleus")
//
// In this order, as in Hugging Face's transformers: top-p sees the probabilities of what top-k left. (Google's PyTorch
// code measures p before top-k.) What remains is scaled to sum to 1.
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace gemma {

struct SamplerOptions {
    float temperature = 0.0f;  // 0: greedy
    std::size_t top_k = 0;     // 0: all
    float top_p = 1.0f;        // 1: all
    std::uint64_t seed = 0;
};

struct TokenProbability {
    int token;
    float probability;
};

/// The tokens that may come next, likeliest first, with probabilities that sum to 1: what follows the last row of
/// logits [T, V] after temperature, top-k and top-p, in this order. Ties go to the lower id. With temperature 0 the
/// one likeliest token. Throws an Error for a logit that is not finite, and for options that a Sampler does not take.
std::vector<TokenProbability> next_token_distribution(const Matrix& logits, const SamplerOptions& options);

/// Draws tokens; the same seed draws the same tokens on every machine.
class Sampler {
public:
    /// Throws an Error for a temperature below 0 or not finite, and for a top-p that is not in (0, 1].
    explicit Sampler(const SamplerOptions& options);

    /// The token that follows the last row of logits [T, V]. Throws an Error for a logit that is not finite.
    int operator()(const Matrix& logits);

private:
    SamplerOptions options_;
    std::mt19937_64 random_;
};

}  // namespace gemma
