// The exercise of lesson 10: from the last layer's vectors to the next token.
#pragma once

#include "gemma/linear/linear.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// The logits [T, V] that follow each row of x [T, D], the last layer's output: the final RMSNorm, then each row times
/// each row of the embedding [V, D]. Shows model.norm.mean_square [T], model.norm.normalized [T, D], model.norm [T, D]
/// and lm_head [T, V].
gemma::Matrix logits(const gemma::Matrix& x, const gemma::Vector& norm_weight, float eps,
                     const gemma::WeightMatrix& embedding, gemma::Trace trace);

/// The likeliest token after the last row of the logits [T, V]; of several alike, the first. Shows probs [V], the
/// softmax of that row, and next_token [1].
int next_token(const gemma::Matrix& logits, gemma::Trace trace);

}  // namespace exercise
