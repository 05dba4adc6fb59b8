// A solution of lesson 10's exercise.

#include "lessons/10_forward_pass/exercise.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace exercise {

using gemma::Matrix;
using gemma::Vector;

Matrix logits(const Matrix& x, const Vector& norm_weight, float eps, const gemma::WeightMatrix& embedding,
              gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1), V = embedding.rows;

    Vector mean_square = xt::zeros<float>({T});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) mean_square(t) += x(t, i) * x(t, i) / static_cast<float>(D);
    }
    trace("model.norm.mean_square", mean_square);

    Matrix normalized = xt::zeros<float>({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) normalized(t, i) = x(t, i) / std::sqrt(mean_square(t) + eps);
    }
    trace("model.norm.normalized", normalized);

    Matrix norm = xt::zeros<float>({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) norm(t, i) = normalized(t, i) * (1.0f + norm_weight(i));
    }
    trace("model.norm", norm);

    Matrix result = xt::zeros<float>({T, V});
    std::vector<float> row(D);
    for (std::size_t v = 0; v < V; ++v) {
        gemma::copy_row(embedding, v, row.data());
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t i = 0; i < D; ++i) result(t, v) += norm(t, i) * row[i];
        }
    }
    trace("lm_head", result);
    return result;
}

int next_token(const Matrix& logits, gemma::Trace trace) {
    const std::size_t T = logits.shape(0), V = logits.shape(1);
    const float* const last = &logits(T - 1, 0);

    Vector probs = xt::zeros<float>({V});
    const float largest = *std::max_element(last, last + V);
    float sum = 0.0f;
    for (std::size_t v = 0; v < V; ++v) sum += std::exp(last[v] - largest);
    for (std::size_t v = 0; v < V; ++v) probs(v) = std::exp(last[v] - largest) / sum;
    trace("probs", probs);

    int token = 0;
    for (std::size_t v = 0; v < V; ++v) {
        if (probs(v) > probs(static_cast<std::size_t>(token))) token = static_cast<int>(v);
    }
    Vector shown = {static_cast<float>(token)};
    trace("next_token", shown);
    return token;
}

}  // namespace exercise
