// The exercise of lesson 11: attention with a past.
#pragma once

#include "gemma/components/mqa.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <algorithm>

namespace exercise {

/// T tokens after those in `past`: query is [T, H, d], key and value are [T, K, d], query and key turned by RoPE
/// already. Adds key and value to `past` and returns the context [T, H, d]. Shows "keys" and "values" [K, S, d],
/// "scores" and "probs" [H, T, S], and "context" to the trace; S counts the past and the T tokens.
gemma::Tensor3 cached_attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                                gemma::KeyValues& past, gemma::Trace trace = {});

/// The first S tokens of the keys or values [K, room, d] of a cache: what is shown to the trace.
inline gemma::Tensor3 first_tokens(const gemma::Tensor3& kept, std::size_t S) {
    const std::size_t K = kept.shape(0), d = kept.shape(2);
    gemma::Tensor3 first = gemma::Tensor3::from_shape({K, S, d});
    for (std::size_t k = 0; k < K; ++k) std::copy_n(&kept(k, 0, 0), S * d, &first(k, 0, 0));
    return first;
}

}  // namespace exercise
