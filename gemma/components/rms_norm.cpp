#include "gemma/components/rms_norm.hpp"

#include <cmath>

namespace gemma {

namespace {

// (1/D) Σ x_i² of each row: [T]
Vector mean_square_of_rows(const Matrix& x) {
    const std::size_t D = x.shape(1);
    Vector mean_square = Vector::from_shape({x.shape(0)});
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        const float* row = &x(t, 0);
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (std::size_t i = 0; i < D; ++i) sum += row[i] * row[i];
        mean_square(t) = sum / static_cast<float>(D);
    }
    return mean_square;
}

}  // namespace

Matrix rms_norm(const Matrix& x, const Vector& weight, float eps, Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    require_shape("the weight of an RMSNorm", weight, {D});

    Vector mean_square = mean_square_of_rows(x);
    trace("mean_square", mean_square);

    Matrix y = Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        const float inverse_rms = 1.0f / std::sqrt(mean_square(t) + eps);
        for (std::size_t i = 0; i < D; ++i) y(t, i) = x(t, i) * inverse_rms;
    }
    trace("normalized", y);

    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) y(t, i) *= 1.0f + weight(i);
    }
    trace(y);
    return y;
}

}  // namespace gemma
