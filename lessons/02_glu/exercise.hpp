// The exercise of lesson 02: a causal GLU.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// (x∗W + b) ⊗ σ(x∗V + c): x is [T, D], the kernels W and V are [k, D, F], the biases b and c are [F]; returns [T, F].
///
///   (x∗W + b)_(t, f) = b_f + Σ_i Σ_d x_(t-k+1+i, d) W_(i, d, f)        i = 0 … k - 1;  x is 0 before the first token
///
/// Trace points: .linear, .gate_logits, .gate, and the scope itself for the output, all [T, F].
gemma::Matrix glu(const gemma::Matrix& x, const gemma::Tensor3& W, const gemma::Vector& b, const gemma::Tensor3& V,
                  const gemma::Vector& c, gemma::Trace trace = {});

}  // namespace exercise
