// Yours to fill in: replace each line `// your code: ...`. The check names the first tensor that is not right.
#include "lessons/04_positions/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Matrix sinusoidal_positions(std::size_t first_position, std::size_t tokens, std::size_t hidden_size,
                                   gemma::Trace trace) {
    const std::size_t pairs = hidden_size / 2;

    // frequencies [D/2]: θ_j = 10000^(-2j/D), from 1 for the first pair to almost 1/10000 for the last.
    gemma::Vector frequencies = xt::zeros<float>({pairs});
    for (std::size_t j = 0; j < pairs; ++j) {
        // your code: frequencies(j) = ...   (std::pow; divide as floating-point numbers: 2 * j / hidden_size is 0)
    }
    trace("frequencies", frequencies);

    // angles [T, D/2]: position times frequency. Row t is position first_position + t.
    gemma::Matrix angles = xt::zeros<float>({tokens, pairs});
    for (std::size_t t = 0; t < tokens; ++t) {
        [[maybe_unused]] const float position = static_cast<float>(first_position + t);
        for (std::size_t j = 0; j < pairs; ++j) {
            // your code: angles(t, j) = ...
        }
    }
    trace("angles", angles);

    // positions [T, D]: the sine of pair j at 2j, its cosine beside it at 2j + 1.
    gemma::Matrix positions = xt::zeros<float>({tokens, hidden_size});
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 0; j < pairs; ++j) {
            // your code: two lines, positions(t, 2 * j) = ... and positions(t, 2 * j + 1) = ...
        }
    }
    trace("positions", positions);
    return positions;
}

}  // namespace exercise
