// Attention in which query heads share key/value heads: multi-head, grouped-query and multi-query in one function.
//
//   query, key, value = x Wqᵀ, x Wkᵀ, x Wvᵀ              query and key turned by RoPE
//   scores  = query / √d · keyᵀ                          [H, T, S]
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
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <cstdint>

namespace gemma {

/// The matrices of an attention layer, [out, in].
struct AttentionWeights {
    WeightMatrix q_proj;  // [H·d, D]
    WeightMatrix k_proj;  // [K·d, D]
    WeightMatrix v_proj;  // [K·d, D]
    WeightMatrix o_proj;  // [D, H·d]
};

using Bfloat16Tensor3 = xt::xtensor<std::uint16_t, 3>;

/// The keys (after rotation) and values of the tokens seen so far, of one layer. Each key/value head has its tokens
/// in a row, so that attention reads memory in order: [K, capacity, d], of which the first `length` tokens are there.
struct KeyValues {
    KeyValues(std::size_t key_value_heads, std::size_t capacity, std::size_t head_dim,
              Precision precision = Precision::float32);

    Tensor3 keys;  // in float32 precision; in bfloat16 precision empty: [K, 0, d]
    Tensor3 values;
    Bfloat16Tensor3 bfloat16_keys;  // in bfloat16 precision, in half the memory; else empty
    Bfloat16Tensor3 bfloat16_values;
    std::size_t length = 0;

    std::size_t heads() const { return keys.shape(0); }
    std::size_t capacity() const { return precision() == Precision::float32 ? keys.shape(1) : bfloat16_keys.shape(1); }
    std::size_t head_dim() const { return keys.shape(2); }
    Precision precision() const { return bfloat16_keys.size() == 0 ? Precision::float32 : Precision::bfloat16; }

    /// Adds T tokens: key and value are [T, K, d]. Throws an Error when they do not fit.
    void append(const Tensor3& key, const Tensor3& value);
};

/// What queries look at: the first `length` tokens of some key/value heads in a row; by default all there is.
struct SeenKeyValues {
    SeenKeyValues(const KeyValues& past) : SeenKeyValues(past, 0, past.heads(), past.length) {}
    SeenKeyValues(const KeyValues& past, std::size_t first_head, std::size_t heads, std::size_t length)
        : past(past), first_head(first_head), heads(heads), length(length) {}

    const KeyValues& past;
    std::size_t first_head, heads, length;
};

/// scores = query / √d · keyᵀ: each query head of [T, H, d] against its key/value head's S keys. Returns [H, T, S].
Tensor3 attention_scores(const Tensor3& query, const SeenKeyValues& seen, Precision precision = Precision::float32);

/// context = probs value: probs [H, T, S] weigh the S values of each head's key/value head. Returns [T, H, d].
Tensor3 attention_context(const Tensor3& probs, const SeenKeyValues& seen, Precision precision = Precision::float32);

/// An attention layer for the T tokens after those in `past`; x is [T, D], `rotation` that of their positions.
/// Appends their keys and values to `past`. Returns [T, D].
///
/// Without a trace the scores are formed for a few tokens at a time, and only with the keys that those tokens see: of
/// H · T rows of scores then a few dozen are there at once. With a trace they are formed whole, to be shown.
Matrix attention(const Matrix& x, const AttentionWeights& weights, const Rotation& rotation, KeyValues& past,
                 Trace trace = {}, Precision precision = Precision::float32);

}  // namespace gemma
