#include "gemma/components/mqa.hpp"

#include "gemma/components/softmax.hpp"
#include "gemma/error.hpp"
#include "gemma/linear/matmul.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gemma {

namespace {

// x Wᵀ, its columns read as heads: [T, heads, d].
Tensor3 project_to_heads(const Matrix& x, const WeightMatrix& weight, std::size_t d) {
    const std::size_t T = x.shape(0), D = x.shape(1), out = weight.rows;
    require_shape("the input of attention", x, {T, weight.columns});
    if (out % d != 0) fail("a projection of attention has {} rows, expected a multiple of head_dim {}", out, d);
    Tensor3 heads = Tensor3::from_shape({T, out / d, d});
    linear({x.data(), T, D, D}, weight, {heads.data(), T, out, out});
    return heads;
}

// The heads of a token side by side, mixed by the output matrix: [T, D].
Matrix project_from_heads(const Tensor3& heads, const WeightMatrix& weight) {
    const std::size_t T = heads.shape(0), in = heads.shape(1) * heads.shape(2), D = weight.rows;
    Matrix y = Matrix::from_shape({T, D});
    linear({heads.data(), T, in, in}, weight, {y.data(), T, D, D});
    return y;
}

// Query heads h = 0 … H-1 share the K key/value heads in order: 0 … H/K - 1 use the first, and so on.
std::size_t key_value_head(std::size_t h, std::size_t H, std::size_t K) {
    if (K == 0 || H % K != 0) fail("{} query heads share {} key/value heads, expected an even share", H, K);
    return h / (H / K);
}

}  // namespace

KeyValues::KeyValues(std::size_t key_value_heads, std::size_t capacity, std::size_t head_dim)
    : keys(Tensor3::from_shape({key_value_heads, capacity, head_dim})),
      values(Tensor3::from_shape({key_value_heads, capacity, head_dim})) {}

void KeyValues::append(const Tensor3& key, const Tensor3& value) {
    const std::size_t T = key.shape(0), K = keys.shape(0), capacity = keys.shape(1), d = keys.shape(2);
    require_shape("the key of attention", key, {T, K, d});
    require_shape("the value of attention", value, {T, K, d});
    if (length + T > capacity) {
        fail("{} tokens after {} do not fit the key/value cache, expected at most {} in all", T, length, capacity);
    }
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t k = 0; k < K; ++k) {
            std::copy_n(&key(t, k, 0), d, &keys(k, length + t, 0));
            std::copy_n(&value(t, k, 0), d, &values(k, length + t, 0));
        }
    }
    length += T;
}

Tensor3 attention_scores(const Tensor3& query, const KeyValues& past) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = past.keys.shape(0), S = past.length;
    require_shape("the query of attention", query, {T, H, past.keys.shape(2)});
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    Tensor3 scores = Tensor3::from_shape({H, T, S});
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = key_value_head(h, H, K);
        multiply_transposed({&query(0, h, 0), T, d, H * d}, {&past.keys(k, 0, 0), S, d, d}, scale,
                            {&scores(h, 0, 0), T, S, S});
    }
    return scores;
}

Tensor3 attention_context(const Tensor3& probs, const KeyValues& past) {
    const std::size_t H = probs.shape(0), T = probs.shape(1), S = probs.shape(2);
    const std::size_t K = past.values.shape(0), d = past.values.shape(2);
    require_shape("the probability tensor of attention", probs, {H, T, past.length});
    Tensor3 context = Tensor3::from_shape({T, H, d});
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = key_value_head(h, H, K);
        multiply({&probs(h, 0, 0), T, S, S}, {&past.values(k, 0, 0), S, d, d}, {&context(0, h, 0), T, d, H * d});
    }
    return context;
}

Matrix attention(const Matrix& x, const AttentionWeights& weights, const Rotation& rotation, KeyValues& past,
                 Trace trace) {
    const std::size_t d = past.keys.shape(2);

    Tensor3 query = project_to_heads(x, weights.q_proj, d);
    trace("q_proj", query);
    Tensor3 key = project_to_heads(x, weights.k_proj, d);
    trace("k_proj", key);
    Tensor3 value = project_to_heads(x, weights.v_proj, d);
    trace("v_proj", value);

    query = rope(std::move(query), rotation);
    trace("q_rope", query);
    key = rope(std::move(key), rotation);
    trace("k_rope", key);
    past.append(key, value);

    Tensor3 scores = attention_scores(query, past);
    trace("scores", scores);
    Tensor3 probs = causal_softmax(std::move(scores));
    trace("probs", probs);
    Tensor3 context = attention_context(probs, past);
    trace("context", context);

    Matrix output = project_from_heads(context, weights.o_proj);
    trace("o_proj", output);
    return output;
}

}  // namespace gemma
