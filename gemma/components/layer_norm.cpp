#include "gemma/components/layer_norm.hpp"

#include <cmath>

namespace gemma {

namespace {

// (1/D) Σ x_i of each row: [T]
Vector mean_of_rows(const Matrix& x) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    Vector mean = Vector::from_shape({T});
    for (std::size_t t = 0; t < T; ++t) {
        const float* row = x.data() + t * D;
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (std::size_t i = 0; i < D; ++i) sum += row[i];
        mean(t) = sum / static_cast<float>(D);
    }
    return mean;
}

// (1/D) Σ (x_i - mean)² of each row: [T]
Vector variance_of_rows(const Matrix& x, const Vector& mean) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    Vector variance = Vector::from_shape({T});
    for (std::size_t t = 0; t < T; ++t) {
        const float* row = x.data() + t * D;
        const float center = mean(t);
        float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
        for (std::size_t i = 0; i < D; ++i) sum += (row[i] - center) * (row[i] - center);
        variance(t) = sum / static_cast<float>(D);
    }
    return variance;
}

}  // namespace

Matrix layer_norm(const Matrix& x, const Vector& gain, const Vector& bias, float eps, Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    require_shape("the gain of a LayerNorm", gain, {D});
    require_shape("the bias of a LayerNorm", bias, {D});

    Vector mean = mean_of_rows(x);
    trace("mean", mean);
    Vector variance = variance_of_rows(x, mean);
    trace("variance", variance);

    Matrix y = Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        const float inverse_deviation = 1.0f / std::sqrt(variance(t) + eps);
        for (std::size_t i = 0; i < D; ++i) y(t, i) = (x(t, i) - mean(t)) * inverse_deviation;
    }
    trace("normalized", y);

    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) y(t, i) = gain(i) * y(t, i) + bias(i);
    }
    trace(y);
    return y;
}

}  // namespace gemma
