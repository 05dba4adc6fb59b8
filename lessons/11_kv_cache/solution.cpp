// One way to solve the exercise of lesson 11.

#include "lessons/11_kv_cache/exercise.hpp"

#include <algorithm>
#include <cmath>

namespace exercise {

gemma::Tensor3 cached_attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                                gemma::KeyValues& past, gemma::Trace trace) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = past.keys.shape(0), S = past.length + T;
    const std::size_t group = H / K;  // query heads that share a head of keys and values
    const auto seen = [&](std::size_t t) { return S - T + t + 1; };

    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t k = 0; k < K; ++k) {
            for (std::size_t i = 0; i < d; ++i) {
                past.keys(k, past.length + t, i) = key(t, k, i);
                past.values(k, past.length + t, i) = value(t, k, i);
            }
        }
    }
    past.length = S;
    gemma::Tensor3 keys = first_tokens(past.keys, S), values = first_tokens(past.values, S);
    trace("keys", keys);
    trace("values", values);

    gemma::Tensor3 scores = gemma::Tensor3::from_shape({H, T, S});
    scores.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = h / group;
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = 0; s < seen(t); ++s) {
                float sum = 0.0f;
                for (std::size_t i = 0; i < d; ++i) sum += query(t, h, i) * past.keys(k, s, i);
                scores(h, t, s) = sum / std::sqrt(static_cast<float>(d));
            }
        }
    }
    trace("scores", scores);

    gemma::Tensor3 probs = gemma::Tensor3::from_shape({H, T, S});
    probs.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            const float largest = *std::max_element(&scores(h, t, 0), &scores(h, t, 0) + seen(t));
            float total = 0.0f;
            for (std::size_t s = 0; s < seen(t); ++s) {
                probs(h, t, s) = std::exp(scores(h, t, s) - largest);
                total += probs(h, t, s);
            }
            for (std::size_t s = 0; s < seen(t); ++s) probs(h, t, s) /= total;
        }
    }
    trace("probs", probs);

    gemma::Tensor3 context = gemma::Tensor3::from_shape({T, H, d});
    context.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = h / group;
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = 0; s < seen(t); ++s) {
                for (std::size_t i = 0; i < d; ++i) context(t, h, i) += probs(h, t, s) * past.values(k, s, i);
            }
        }
    }
    trace("context", context);
    return context;
}

}  // namespace exercise
