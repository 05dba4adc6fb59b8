// Softmax: numbers into probabilities, which are positive and sum to 1; the larger the number, the more probable.
//
//   softmax(x)_i = exp(x_i - max x) / Σ_j exp(x_j - max x)
//
// Subtracting the maximum changes nothing in the quotient and keeps exp from overflowing.
//
// What Gemma does: the softmax of attention is causal, a token sees itself and those before it.
#pragma once

#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>

namespace gemma {

/// Replaces `count` numbers, at least one, by their softmax.
void softmax(float* values, std::size_t count);

/// ln Σ exp(x_i) of `count` numbers, at least one. x_i less this is the logarithm of softmax(x)_i, also where that is
/// 1e-300.
double log_sum_exp(const float* values, std::size_t count);

/// The softmax of a vector.
Vector softmax(Vector values);

/// Softmax over the last axis of scores [H, T, S] where token t of this call, the (S - T + t)-th in all, sees the
/// S - T + t + 1 tokens up to itself. What it does not see gets probability 0.
Tensor3 causal_softmax(Tensor3 scores, Precision precision = Precision::float32);

}  // namespace gemma
