// The exercise of lesson 01: GELU in the tanh form, number by number.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// gelu(x) of each number of x [T, F], in the form that Gemma computes:
///
///   x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))
///
/// Trace points: .inner, what stands inside tanh; .tanh; .output, all [T, F].
gemma::Matrix gelu(const gemma::Matrix& x, gemma::Trace trace = {});

}  // namespace exercise
