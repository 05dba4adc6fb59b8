// Attention in which query heads share key/value heads: multi-head, grouped-query and multi-query in one function.
//
//   query, key, value = x Wqᵀ, x Wkᵀ, x Wvᵀ              query and key turned by RoPE
//   scores  = query keyᵀ / √d                            [H, T, S]
//   probs   = softmax(scores), seeing no later token
//   context = probs value                                [T, H, d]
//   y       = context Woᵀ                                [T, D]
//
// K key/value heads serve H query heads, H/K in a row each:
//   K = H       multi-head attention (Vaswani et al. 2017)         Gemma 7B: 16 and 16
//   1 < K < H   grouped-query attention (Ainslie et al. 2023)
//   K = 1       multi-query attention (Shazeer 2019)               Gemma 2B: 8 and 1
// The keys and values of all tokens so far are what decoding must keep and read, so K = 1 makes both H times smaller.
//
// What Gemma does: no biases; head_dim is its own number (7B: 16 heads of 256 on a hidden size of 3072).
//
// Trace points: .q_proj [T, H, d], .k_proj, .v_proj [T, K, d] before rotation; .q_rope, .k_rope after it;
// .scores [H, T, S] scaled, before the mask; .probs [H, T, S]; .context [T, H, d]; .o_proj [T, D].
#pragma once

#include "gemma/components/rope.hpp"
#include "gemma/linear/linear.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>

namespace gemma {

/// The matrices of an attention layer, [out, in].
struct AttentionWeights {
    WeightMatrix q_proj;  // [H·d, D]
    WeightMatrix k_proj;  // [K·d, D]
    WeightMatrix v_proj;  // [K·d, D]
    WeightMatrix o_proj;  // [D, H·d]
};

/// The keys (after rotation) and values of the tokens seen so far, of one layer. Each key/value head has its tokens
/// in a row, so that attention reads memory in order: [K, capacity, d], of which the first `length` tokens are there.
struct KeyValues {
    KeyValues(std::size_t key_value_heads, std::size_t capacity, std::size_t head_dim);

    Tensor3 keys;
    Tensor3 values;
    std::size_t length = 0;

    /// Adds T tokens: key and value are [T, K, d]. Throws an Error when they do not fit.
    void append(const Tensor3& key, const Tensor3& value);
};

/// scores = query keyᵀ / √d: each query head of [T, H, d] against its key/value head's S keys. Returns [H, T, S].
Tensor3 attention_scores(const Tensor3& query, const KeyValues& past);

/// context = probs value: probs [H, T, S] weigh the S values of each head's key/value head. Returns [T, H, d].
Tensor3 attention_context(const Tensor3& probs, const KeyValues& past);

/// An attention layer for the T tokens after those in `past`; x is [T, D], `rotation` that of their positions.
/// Appends their keys and values to `past`. Returns [T, D].
Matrix attention(const Matrix& x, const AttentionWeights& weights, const Rotation& rotation, KeyValues& past,
                 Trace trace = {});

}  // namespace gemma
