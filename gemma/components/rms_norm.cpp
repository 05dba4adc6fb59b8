#include "gemma/components/rms_norm.hpp"

#include "gemma/elementwise.hpp"
#include "gemma/parallel.hpp"

#include <cmath>

namespace gemma {

namespace {

constexpr std::size_t rows_of_a_piece = 8;

// Σ x_i² of a row.
GEMMA_WIDEST_VECTORS float sum_of_squares(const float* x, std::size_t D) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (std::size_t i = 0; i < D; ++i) sum += x[i] * x[i];
    return sum;
}

}  // namespace

Matrix rms_norm(const Matrix& x, const Vector& weight, float eps, Trace trace, Precision precision) {
    const std::size_t T = x.shape(0), D = x.shape(1);
    require_shape("the weight of an RMSNorm", weight, {D});
    const auto for_each_row = [T](const auto& step) {
        parallel_for(T, rows_of_a_piece, [&](std::size_t first, std::size_t last) {
            for (std::size_t t = first; t < last; ++t) step(t);
        });
    };

    Vector mean_square = Vector::from_shape({T});
    for_each_row([&](std::size_t t) { mean_square(t) = sum_of_squares(&x(t, 0), D) / static_cast<float>(D); });
    trace("mean_square", mean_square);

    Matrix y = Matrix::from_shape({T, D});
    for_each_row([&](std::size_t t) {
        const float inverse_rms = 1.0f / std::sqrt(mean_square(t) + eps);
        for (std::size_t i = 0; i < D; ++i) y(t, i) = x(t, i) * inverse_rms;
    });
    trace("normalized", y);

    for_each_row([&](std::size_t t) {
        for (std::size_t i = 0; i < D; ++i) y(t, i) *= 1.0f + weight(i);
        round_to(precision, &y(t, 0), D);
    });
    trace(y);
    return y;
}

}  // namespace gemma
