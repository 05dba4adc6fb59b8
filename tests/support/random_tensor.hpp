// Tensors of random numbers between -1 and 1, the same on every machine: the standard fixes what mt19937 gives, not
// what its distributions make of it.
#pragma once

#include "gemma/tensor.hpp"

#include <array>
#include <cstddef>
#include <random>

namespace gemma {

template <std::size_t N>
xt::xtensor<float, N> random_tensor(const std::array<std::size_t, N>& shape, unsigned seed) {
    std::mt19937 random(seed);
    xt::xtensor<float, N> tensor = xt::xtensor<float, N>::from_shape(shape);
    for (float& value : tensor) value = static_cast<float>(random() >> 8) * 0x1p-23f - 1.0f;  // 24 bits: exact
    return tensor;
}

inline Vector random_vector(std::size_t size, unsigned seed) { return random_tensor<1>({size}, seed); }

inline Matrix random_matrix(std::size_t rows, std::size_t columns, unsigned seed) {
    return random_tensor<2>({rows, columns}, seed);
}

}  // namespace gemma
