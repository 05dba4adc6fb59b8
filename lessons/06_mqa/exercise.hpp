// The exercise of lesson 06: attention whose query heads share key/value heads.
#pragma once

#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace exercise {

/// From queries [T, H, d] and keys, values [T, K, d] of the same T tokens to the context [T, H, d]. Queries and keys
/// are turned by RoPE already. Shows "scores" and "probs" [H, T, T], and "context", to the trace.
gemma::Tensor3 attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                         gemma::Trace trace = {});

}  // namespace exercise
