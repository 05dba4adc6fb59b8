// Random numbers that are the same on every machine: the standard fixes what mt19937_64 gives, not what its
// distributions make of it.
#pragma once

#include "gemma/tensor.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

namespace lesson {

class Random {
public:
    explicit Random(std::uint64_t seed) : bits_(seed) {}

    /// At least 0, below 1.
    double uniform() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }

    /// Standard normal: a radius and an angle give a point of the plane with two normal coordinates (Box, Muller 1958).
    double normal() {
        constexpr double two_pi = 6.283185307179586;
        const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
        return radius * std::cos(two_pi * uniform());
    }

    /// A tensor of normal numbers with this standard deviation.
    template <std::size_t N>
    xt::xtensor<float, N> normal(const std::array<std::size_t, N>& shape, double deviation = 1.0) {
        xt::xtensor<float, N> tensor = xt::xtensor<float, N>::from_shape(shape);
        for (float& value : tensor) value = static_cast<float>(deviation * normal());
        return tensor;
    }

private:
    std::mt19937_64 bits_;
};

}  // namespace lesson
