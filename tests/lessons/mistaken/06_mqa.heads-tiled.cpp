// The key/value heads laid out 0, 1, 0, 1: query head h takes key/value head h mod K.
#include "lessons/06_mqa/exercise.hpp"

#include <cmath>

gemma::Tensor3 exercise::attention(const gemma::Tensor3& query, const gemma::Tensor3& key, const gemma::Tensor3& value,
                                   gemma::Trace trace) {
    const std::size_t T = query.shape(0), H = query.shape(1), K = key.shape(1), d = query.shape(2);
    gemma::Tensor3 scores = xt::zeros<float>({H, T, T}), probs = scores, context = xt::zeros<float>({T, H, d});
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            double total = 0;
            for (std::size_t s = 0; s <= t; ++s) {
                double product = 0;
                for (std::size_t i = 0; i < d; ++i) product += query(t, h, i) * key(s, h % K, i);
                scores(h, t, s) = static_cast<float>(product / std::sqrt(static_cast<double>(d)));
                total += std::exp(scores(h, t, s));
            }
            for (std::size_t s = 0; s <= t; ++s) {
                probs(h, t, s) = static_cast<float>(std::exp(scores(h, t, s)) / total);
                for (std::size_t i = 0; i < d; ++i) context(t, h, i) += probs(h, t, s) * value(s, h % K, i);
            }
        }
    }
    trace("scores", scores);
    trace("probs", probs);
    trace("context", context);
    return context;
}
