// The exercise: from logits to the tokens that may come next.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/trace/trace.hpp"

#include <vector>

namespace exercise {

/// The tokens that may come next, likeliest first, with probabilities that sum to 1: what follows the last row of
/// logits [T, V] after temperature, top-k and top-p, in this order. Ties go to the lower id. With temperature 0 the
/// one likeliest token.
///
/// Trace points, unless the temperature is 0: scaled [V], the last row over the temperature; probs [V], softmax over
/// the k likeliest, 0 elsewhere; kept [V], 1 for the likeliest that together reach p, 0 elsewhere; distribution [V],
/// the kept probs over their sum.
std::vector<gemma::TokenProbability> next_token_distribution(const gemma::Matrix& logits,
                                                             const gemma::SamplerOptions& options, gemma::Trace trace);

}  // namespace exercise
