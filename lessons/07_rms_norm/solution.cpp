// One way to solve the exercise of lesson 07.

#include "lessons/07_rms_norm/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Matrix rms_norm(const gemma::Matrix& x, const gemma::Vector& weight, float eps, gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1);

    gemma::Vector mean_square = gemma::Vector::from_shape({T});
    for (std::size_t t = 0; t < T; ++t) {
        float sum = 0.0f;
        for (std::size_t i = 0; i < D; ++i) sum += x(t, i) * x(t, i);
        mean_square(t) = sum / static_cast<float>(D);
    }
    trace("mean_square", mean_square);

    gemma::Matrix normalized = gemma::Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) normalized(t, i) = x(t, i) / std::sqrt(mean_square(t) + eps);
    }
    trace("normalized", normalized);

    gemma::Matrix y = gemma::Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < D; ++i) y(t, i) = normalized(t, i) * (1.0f + weight(i));
    }
    trace(y);
    return y;
}

}  // namespace exercise
