// One way to do the exercise.
#include "lessons/04_positions/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Matrix sinusoidal_positions(std::size_t first_position, std::size_t tokens, std::size_t hidden_size,
                                   gemma::Trace trace) {
    const std::size_t pairs = hidden_size / 2;

    gemma::Vector frequencies = xt::zeros<float>({pairs});
    for (std::size_t j = 0; j < pairs; ++j) {
        const float exponent = -2.0f * static_cast<float>(j) / static_cast<float>(hidden_size);
        frequencies(j) = std::pow(10000.0f, exponent);
    }
    trace("frequencies", frequencies);

    gemma::Matrix angles = xt::zeros<float>({tokens, pairs});
    for (std::size_t t = 0; t < tokens; ++t) {
        const float position = static_cast<float>(first_position + t);
        for (std::size_t j = 0; j < pairs; ++j) angles(t, j) = position * frequencies(j);
    }
    trace("angles", angles);

    gemma::Matrix positions = xt::zeros<float>({tokens, hidden_size});
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 0; j < pairs; ++j) {
            positions(t, 2 * j) = std::sin(angles(t, j));
            positions(t, 2 * j + 1) = std::cos(angles(t, j));
        }
    }
    trace("positions", positions);
    return positions;
}

}  // namespace exercise
