// The exercise of lesson 03: Gemma's MLP.
#pragma once

#include "gemma/components/geglu.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// down(gelu_tanh(gate(x)) ⊗ up(x)): x is [T, D], the weights are gate_proj [F, D], up_proj [F, D] and down_proj
/// [D, F]; returns [T, D].
///
/// Trace points: .gate_proj, .act_fn, .up_proj, .gated [T, F], .down_proj [T, D].
gemma::Matrix feed_forward(const gemma::Matrix& x, const gemma::FeedForwardWeights& weights, gemma::Trace trace = {});

}  // namespace exercise
