#include "gemma/components/rope.hpp"

#include "gemma/error.hpp"
#include "gemma/parallel.hpp"

#include <cmath>

namespace gemma {

namespace {

constexpr std::size_t tokens_of_a_piece = 8;

}  // namespace

Vector rope_frequencies(std::size_t head_dim, float theta) {
    if (head_dim == 0 || head_dim % 2 != 0) fail("head_dim is {}, expected an even number: RoPE turns pairs", head_dim);
    Vector frequencies = Vector::from_shape({head_dim / 2});
    for (std::size_t j = 0; j < head_dim / 2; ++j) {
        const float exponent = static_cast<float>(2 * j) / static_cast<float>(head_dim);
        // The power is rounded to float32 before the division, as PyTorch does: at position 8000 one unit in the
        // last place of a frequency is worth 5e-4 in the cosine.
        frequencies(j) = 1.0f / std::pow(theta, exponent);
    }
    return frequencies;
}

Rotation rope_rotation(std::size_t first_position, std::size_t tokens, std::size_t head_dim, float theta) {
    const Vector frequencies = rope_frequencies(head_dim, theta);
    const std::size_t pairs = frequencies.size();
    Rotation rotation{Matrix::from_shape({tokens, pairs}), Matrix::from_shape({tokens, pairs})};
    parallel_for(tokens, tokens_of_a_piece, [&](std::size_t first, std::size_t last) {
        for (std::size_t t = first; t < last; ++t) {
            const float position = static_cast<float>(first_position + t);
            for (std::size_t j = 0; j < pairs; ++j) {
                const float angle = position * frequencies(j);
                rotation.cos(t, j) = std::cos(angle);
                rotation.sin(t, j) = std::sin(angle);
            }
        }
    });
    return rotation;
}

Tensor3 rope(Tensor3 x, const Rotation& rotation, Precision precision) {
    const std::size_t T = x.shape(0), heads = x.shape(1), pairs = x.shape(2) / 2;
    require_shape("the rotation of RoPE", rotation.cos, {T, pairs});
    parallel_for(T, tokens_of_a_piece, [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t) {
            for (std::size_t h = 0; h < heads; ++h) {
                for (std::size_t j = 0; j < pairs; ++j) {
                    const float first = x(t, h, j), second = x(t, h, j + pairs);
                    const float cos = rotation.cos(t, j), sin = rotation.sin(t, j);
                    x(t, h, j) = first * cos - second * sin;
                    x(t, h, j + pairs) = first * sin + second * cos;
                }
                round_to(precision, &x(t, h, 0), 2 * pairs);
            }
        }
    });
    return x;
}

}  // namespace gemma
