// One way to solve the exercise of lesson 06.

#include "lessons/06_mqa/exercise.hpp"

#include <algorithm>
#include <cmath>

namespace exercise {

gemma::Tensor3 attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                         gemma::Trace trace) {
    const std::size_t T = query.shape(0), H = query.shape(1), d = query.shape(2);
    const std::size_t K = key.shape(1);
    const auto key_value_head = [&](std::size_t h) { return h / (H / K); };

    gemma::Tensor3 scores = gemma::Tensor3::from_shape({H, T, T});
    scores.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = key_value_head(h);
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = 0; s <= t; ++s) {
                float sum = 0.0f;
                for (std::size_t i = 0; i < d; ++i) sum += query(t, h, i) * key(s, k, i);
                scores(h, t, s) = sum / std::sqrt(static_cast<float>(d));
            }
        }
    }
    trace("scores", scores);

    gemma::Tensor3 probs = gemma::Tensor3::from_shape({H, T, T});
    probs.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            const float largest = *std::max_element(&scores(h, t, 0), &scores(h, t, 0) + t + 1);
            float total = 0.0f;
            for (std::size_t s = 0; s <= t; ++s) {
                probs(h, t, s) = std::exp(scores(h, t, s) - largest);
                total += probs(h, t, s);
            }
            for (std::size_t s = 0; s <= t; ++s) probs(h, t, s) /= total;
        }
    }
    trace("probs", probs);

    gemma::Tensor3 context = gemma::Tensor3::from_shape({T, H, d});
    context.fill(0.0f);
    for (std::size_t h = 0; h < H; ++h) {
        const std::size_t k = key_value_head(h);
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t s = 0; s <= t; ++s) {
                for (std::size_t i = 0; i < d; ++i) context(t, h, i) += probs(h, t, s) * value(s, k, i);
            }
        }
    }
    trace("context", context);
    return context;
}

}  // namespace exercise
