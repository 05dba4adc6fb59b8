// One way to do the exercise.
#include "lessons/05_rope/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Rotation rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim, float theta,
                              gemma::Trace trace) {
    const std::size_t pairs = head_dim / 2;

    gemma::Vector frequencies = xt::zeros<float>({pairs});
    for (std::size_t j = 0; j < pairs; ++j) {
        frequencies(j) = 1.0f / std::pow(theta, static_cast<float>(2 * j) / static_cast<float>(head_dim));
    }
    trace("frequencies", frequencies);

    gemma::Matrix angles = xt::zeros<float>({tokens, pairs});
    for (std::size_t t = 0; t < tokens; ++t) {
        const float position = static_cast<float>(first_position + t);
        for (std::size_t j = 0; j < pairs; ++j) angles(t, j) = position * frequencies(j);
    }
    trace("angles", angles);

    gemma::Rotation rotation{xt::zeros<float>({tokens, pairs}), xt::zeros<float>({tokens, pairs})};
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 0; j < pairs; ++j) {
            rotation.cos(t, j) = std::cos(angles(t, j));
            rotation.sin(t, j) = std::sin(angles(t, j));
        }
    }
    trace("cos", rotation.cos);
    trace("sin", rotation.sin);
    return rotation;
}

gemma::Tensor3 rope(gemma::Tensor3 x, const gemma::Rotation& rotation, gemma::Trace trace) {
    const std::size_t T = x.shape(0), heads = x.shape(1), d = x.shape(2), pairs = d / 2;

    gemma::Tensor3 first_half = xt::zeros<float>({T, heads, pairs});
    gemma::Tensor3 second_half = xt::zeros<float>({T, heads, pairs});
    gemma::Tensor3 turned = xt::zeros<float>({T, heads, d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                const float first = x(t, h, j), second = x(t, h, j + pairs);
                first_half(t, h, j) = first * rotation.cos(t, j) - second * rotation.sin(t, j);
                second_half(t, h, j) = first * rotation.sin(t, j) + second * rotation.cos(t, j);
            }
        }
    }
    trace("first_half", first_half);
    trace("second_half", second_half);

    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                turned(t, h, j) = first_half(t, h, j);
                turned(t, h, j + pairs) = second_half(t, h, j);
            }
        }
    }
    trace("turned", turned);
    return turned;
}

}  // namespace exercise
