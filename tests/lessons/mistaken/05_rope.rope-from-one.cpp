// Positions that count from 1, as some languages do.
#include "lessons/05_rope/exercise.hpp"

#include <cmath>

gemma::Rotation exercise::rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim,
                                        float theta, gemma::Trace) {
    gemma::Rotation rotation{gemma::Matrix::from_shape({tokens, head_dim / 2}),
                             gemma::Matrix::from_shape({tokens, head_dim / 2})};
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 0; j < head_dim / 2; ++j) {
            const double angle = static_cast<double>(first_position + t + 1) *
                                 std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(head_dim));
            rotation.cos(t, j) = static_cast<float>(std::cos(angle));
            rotation.sin(t, j) = static_cast<float>(std::sin(angle));
        }
    }
    return rotation;
}

gemma::Tensor3 exercise::rope(gemma::Tensor3 x, const gemma::Rotation& rotation, gemma::Trace trace) {
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t h = 0; h < x.shape(1); ++h) {
            for (std::size_t j = 0; j < x.shape(2) / 2; ++j) {
                const float a = x(t, h, j), b = x(t, h, j + x.shape(2) / 2);
                const float cos = rotation.cos(t, j), sin = rotation.sin(t, j);
                x(t, h, j) = a * cos - b * sin;
                x(t, h, j + x.shape(2) / 2) = a * sin + b * cos;
            }
        }
    }
    trace("turned", x);
    return x;
}
