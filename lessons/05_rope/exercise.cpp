// Yours to fill in: replace each line `// your code: ...`. The check names the first tensor that is not right.
#include "lessons/05_rope/exercise.hpp"

#include <cmath>

namespace exercise {

gemma::Rotation rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim,
                              [[maybe_unused]] float theta, gemma::Trace trace) {
    const std::size_t pairs = head_dim / 2;

    // frequencies [d/2]: θ_j = theta^(-2j/d). The first is 1.
    gemma::Vector frequencies = xt::zeros<float>({pairs});
    for (std::size_t j = 0; j < pairs; ++j) {
        // your code: frequencies(j) = ...   (std::pow; divide as floating-point numbers: 2 * j / head_dim is 0)
    }
    trace("frequencies", frequencies);

    // angles [T, d/2]: position times frequency. Row t is position first_position + t.
    gemma::Matrix angles = xt::zeros<float>({tokens, pairs});
    for (std::size_t t = 0; t < tokens; ++t) {
        [[maybe_unused]] const float position = static_cast<float>(first_position + t);
        for (std::size_t j = 0; j < pairs; ++j) {
            // your code: angles(t, j) = ...
        }
    }
    trace("angles", angles);

    // cos, sin [T, d/2]: of each angle.
    gemma::Rotation rotation{xt::zeros<float>({tokens, pairs}), xt::zeros<float>({tokens, pairs})};
    for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t j = 0; j < pairs; ++j) {
            // your code: two lines, rotation.cos(t, j) = ... and rotation.sin(t, j) = ...
        }
    }
    trace("cos", rotation.cos);
    trace("sin", rotation.sin);
    return rotation;
}

gemma::Tensor3 rope(gemma::Tensor3 x, [[maybe_unused]] const gemma::Rotation& rotation, gemma::Trace trace) {
    const std::size_t T = x.shape(0), heads = x.shape(1), d = x.shape(2), pairs = d / 2;

    // The partner of number j is number j + d/2, not its neighbour. All heads of a token turn alike.
    // first_half [T, heads, d/2]: the results y_j. Read both partners from x; do not write into x yet.
    gemma::Tensor3 first_half = xt::zeros<float>({T, heads, pairs});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                // your code: first_half(t, h, j) = ...
            }
        }
    }
    trace("first_half", first_half);

    // second_half [T, heads, d/2]: the results y_{j+d/2}.
    gemma::Tensor3 second_half = xt::zeros<float>({T, heads, pairs});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                // your code: second_half(t, h, j) = ...
            }
        }
    }
    trace("second_half", second_half);

    // turned [T, heads, d]: the first half, then the second.
    gemma::Tensor3 turned = xt::zeros<float>({T, heads, d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                // your code: two lines, turned(t, h, j) = ... and turned(t, h, j + pairs) = ...
            }
        }
    }
    trace("turned", turned);
    return turned;
}

}  // namespace exercise
