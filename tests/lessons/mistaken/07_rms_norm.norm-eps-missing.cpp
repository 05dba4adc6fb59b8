// The paper's formula has no eps.
#include "lessons/07_rms_norm/exercise.hpp"

#include <cmath>

gemma::Matrix exercise::rms_norm(const gemma::Matrix& x, const gemma::Vector& weight, float, gemma::Trace trace) {
    gemma::Vector mean_square = xt::zeros<float>({x.shape(0)});
    gemma::Matrix normalized = x, y = x;
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t i = 0; i < x.shape(1); ++i) mean_square(t) += x(t, i) * x(t, i);
        mean_square(t) /= static_cast<float>(x.shape(1));
        for (std::size_t i = 0; i < x.shape(1); ++i) {
            normalized(t, i) /= std::sqrt(mean_square(t));
            y(t, i) = normalized(t, i) * (1.0f + weight(i));
        }
    }
    trace("mean_square", mean_square);
    trace("normalized", normalized);
    trace(y);
    return y;
}
