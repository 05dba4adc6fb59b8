#include "gemma/components/mqa.hpp"

#include "gemma/components/softmax.hpp"
#include "gemma/error.hpp"
#include "gemma/linear/matmul.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gemma {

namespace {

// x Wᵀ, its columns read as heads: [T, heads, d].
Tensor3 project_to_heads(const Matrix& x, const WeightMatrix& weight, std::size_t d, Precision precision) {
    const std::size_t T = x.shape(0), D = x.shape(1), out = weight.rows;
    require_shape("the input of attention", x, {T, weight.columns});
    if (out % d != 0) fail("a projection of attention has {} rows, expected a multiple of head_dim {}", out, d);
    Tensor3 heads = Tensor3::from_shape({T, out / d, d});
    linear({x.data(), T, D, D}, weight, {heads.data(), T, out, out}, precision);
    return heads;
}

// The heads of a token side by side, mixed by the output matrix: [T, D].
Matrix project_from_heads(const Tensor3& heads, const WeightMatrix& weight, Precision precision) {
    const std::size_t T = heads.shape(0), in = heads.shape(1) * heads.shape(2), D = weight.rows;
    Matrix y = Matrix::from_shape({T, D});
    linear({heads.data(), T, in, in}, weight, {y.data(), T, D, D}, precision);
    return y;
}

// Query heads h = 0 … H-1 share the K key/value heads in order: 0 … H/K - 1 use the first, and so on.
std::size_t heads_that_share(std::size_t H, std::size_t K) {
    if (K == 0 || H % K != 0) fail("{} query heads share {} key/value heads, expected an even share", H, K);
    return H / K;
}

// `count` tokens of one head from `first` on, as they are stored: [count, d].
WeightMatrix stored_rows(const Tensor3& wide, const Bfloat16Tensor3& narrow, std::size_t head, std::size_t first,
                         std::size_t count) {
    const std::size_t d = wide.shape(2);
    if (narrow.size() == 0)
        return {DType::float32, reinterpret_cast<const std::byte*>(&wide(head, first, 0)), count, d};
    return {DType::bfloat16, reinterpret_cast<const std::byte*>(&narrow(head, first, 0)), count, d};
}

}  // namespace

KeyValues::KeyValues(std::size_t key_value_heads, std::size_t capacity, std::size_t head_dim, Precision precision) {
    const std::size_t wide = precision == Precision::float32 ? capacity : 0, narrow = capacity - wide;
    keys = Tensor3::from_shape({key_value_heads, wide, head_dim});
    values = Tensor3::from_shape({key_value_heads, wide, head_dim});
    bfloat16_keys = Bfloat16Tensor3::from_shape({key_value_heads, narrow, head_dim});
    bfloat16_values = Bfloat16Tensor3::from_shape({key_value_heads, narrow, head_dim});
}

void KeyValues::append(const Tensor3& key, const Tensor3& value) {
    const std::size_t T = key.shape(0), K = heads(), d = head_dim();
    require_shape("the key of attention", key, {T, K, d});
    require_shape("the value of attention", value, {T, K, d});
    if (length + T > capacity()) {
        fail("{} tokens after {} do not fit the key/value cache, expected at most {} in all", T, length, capacity());
    }
    const bool wide = precision() == Precision::float32;
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t k = 0; k < K; ++k) {
            if (wide) {
                std::copy_n(&key(t, k, 0), d, &keys(k, length + t, 0));
                std::copy_n(&value(t, k, 0), d, &values(k, length + t, 0));
            } else {
                std::transform(&key(t, k, 0), &key(t, k, 0) + d, &bfloat16_keys(k, length + t, 0), float_to_bfloat16);
                std::transform(&value(t, k, 0), &value(t, k, 0) + d, &bfloat16_values(k, length + t, 0),
                               float_to_bfloat16);
            }
        }
    }
    length += T;
}

// The query heads that share a key/value head are rows of one product, so that its keys are read once.
Tensor3 attention_scores(const Tensor3& query, const SeenKeyValues& seen, Precision precision) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = seen.heads, S = seen.length, group = heads_that_share(H, K), rows = group * T;
    require_shape("the query of attention", query, {T, H, seen.past.head_dim()});
    float scale = 1.0f / std::sqrt(static_cast<float>(d));
    round_to(precision, &scale, 1);

    Tensor3 scores = Tensor3::from_shape({H, T, S});
    Tensor3 scaled = Tensor3::from_shape({group, T, d});
    for (std::size_t k = 0; k < K; ++k) {
        for (std::size_t h = 0; h < group; ++h) {
            for (std::size_t t = 0; t < T; ++t) {
                for (std::size_t i = 0; i < d; ++i) scaled(h, t, i) = query(t, k * group + h, i) * scale;
            }
        }
        round_to(precision, scaled.data(), scaled.size());
        const WeightMatrix keys = stored_rows(seen.past.keys, seen.past.bfloat16_keys, seen.first_head + k, 0, S);
        linear({scaled.data(), rows, d, d}, keys, {&scores(k * group, 0, 0), rows, S, S}, precision);
    }
    return scores;
}

// The sum over tokens is made of parts, so that the threads can share it where there are few rows.
Tensor3 attention_context(const Tensor3& probs, const SeenKeyValues& seen, Precision precision) {
    constexpr std::size_t tokens_of_a_part = 512;
    const std::size_t H = probs.shape(0), T = probs.shape(1), S = probs.shape(2), d = seen.past.head_dim();
    const std::size_t K = seen.heads, group = heads_that_share(H, K), rows = group * T;
    const std::size_t parts = (S + tokens_of_a_part - 1) / tokens_of_a_part;
    require_shape("the probability tensor of attention", probs, {H, T, seen.length});

    Tensor3 context = Tensor3::from_shape({T, H, d});
    Tensor3 sums = Tensor3::from_shape({parts, rows, d});
    for (std::size_t k = 0; k < K; ++k) {
        parallel_for(parts, 1, [&](std::size_t part, std::size_t) {
            const std::size_t first = part * tokens_of_a_part, count = std::min(tokens_of_a_part, S - first);
            const WeightMatrix values =
                stored_rows(seen.past.values, seen.past.bfloat16_values, seen.first_head + k, first, count);
            multiply({&probs(k * group, 0, first), rows, count, S}, values, {&sums(part, 0, 0), rows, d, d});
        });
        for (std::size_t h = 0; h < group; ++h) {
            for (std::size_t t = 0; t < T; ++t) {
                float* sum = &context(t, k * group + h, 0);
                std::copy_n(&sums(0, h * T + t, 0), d, sum);
                for (std::size_t part = 1; part < parts; ++part) {
                    for (std::size_t i = 0; i < d; ++i) sum[i] += sums(part, h * T + t, i);
                }
                round_to(precision, sum, d);
            }
        }
    }
    return context;
}

namespace {

// softmax(query keyᵀ / √d) value: [T, H, d].
Tensor3 attend(const Tensor3& query, const SeenKeyValues& seen, Trace trace, Precision precision) {
    Tensor3 scores = attention_scores(query, seen, precision);
    trace("scores", scores);
    Tensor3 probs = causal_softmax(std::move(scores), precision);
    trace("probs", probs);
    return attention_context(probs, seen, precision);
}

// Heads h … h + heads - 1 of tokens t … t + tokens - 1.
Tensor3 piece_of(const Tensor3& query, std::size_t t, std::size_t tokens, std::size_t h, std::size_t heads) {
    const std::size_t numbers = heads * query.shape(2);
    Tensor3 piece = Tensor3::from_shape({tokens, heads, query.shape(2)});
    for (std::size_t i = 0; i < tokens; ++i) std::copy_n(&query(t + i, h, 0), numbers, &piece(i, 0, 0));
    return piece;
}

// The same a few tokens and one key/value head at a time, each against the tokens up to the last that it sees.
Tensor3 attend_in_pieces(const Tensor3& query, const KeyValues& past, Precision precision) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2), before = past.length - T;
    const std::size_t group = heads_that_share(H, past.heads());
    const std::size_t most = std::max<std::size_t>(1, 64 / group);  // 64 rows of scores at a time
    // All pieces have about as many tokens: the last one, too, is multiplied by the kernels for many rows.
    const std::size_t pieces = (T + most - 1) / most;
    Tensor3 context = Tensor3::from_shape({T, H, d});
    parallel_for(past.heads() * pieces, 1, [&](std::size_t piece, std::size_t) {
        const std::size_t k = piece % past.heads(), i = piece / past.heads();
        const std::size_t t = i * T / pieces, count = (i + 1) * T / pieces - t;
        const Tensor3 part =
            attend(piece_of(query, t, count, k * group, group), {past, k, 1, before + t + count}, {}, precision);
        for (std::size_t j = 0; j < count; ++j) std::copy_n(&part(j, 0, 0), group * d, &context(t + j, k * group, 0));
    });
    return context;
}

}  // namespace

Matrix attention(const Matrix& x, const AttentionWeights& weights, const Rotation& rotation, KeyValues& past,
                 Trace trace, Precision precision) {
    const std::size_t d = past.head_dim();

    Tensor3 query = project_to_heads(x, weights.q_proj, d, precision);
    trace("q_proj", query);
    Tensor3 key = project_to_heads(x, weights.k_proj, d, precision);
    trace("k_proj", key);
    Tensor3 value = project_to_heads(x, weights.v_proj, d, precision);
    trace("v_proj", value);

    query = rope(std::move(query), rotation, precision);
    trace("q_rope", query);
    key = rope(std::move(key), rotation, precision);
    trace("k_rope", key);
    past.append(key, value);

    Tensor3 context = trace.on() ? attend(query, past, trace, precision) : attend_in_pieces(query, past, precision);
    trace("context", context);

    Matrix output = project_from_heads(context, weights.o_proj, precision);
    trace("o_proj", output);
    return output;
}

}  // namespace gemma
