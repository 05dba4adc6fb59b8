// What lesson 05 measures with: vectors of random numbers, turned to a position, and their products.
#pragma once

#include "gemma/components/rope.hpp"
#include "gemma/dtype.hpp"
#include "gemma/tensor.hpp"
#include "lessons/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace planes {

using gemma::Tensor3;
using gemma::Vector;

inline constexpr std::size_t gemma_head = 256;      // numbers a head, in Gemma 2B and 7B
inline constexpr std::size_t gemma_context = 8192;  // tokens

inline Vector random_vector(std::size_t size, std::uint64_t seed) { return lesson::Random(seed).normal<1>({size}); }

/// One token with one head: [1, 1, d].
inline Tensor3 as_token(const Vector& x) {
    Tensor3 token = Tensor3::from_shape({1, 1, x.size()});
    std::copy(x.begin(), x.end(), token.begin());
    return token;
}

/// A vector as the token at `position` has it, turned by the library's RoPE.
inline Vector turned(const Vector& x, std::size_t position) {
    const Tensor3 y = gemma::rope(as_token(x), gemma::rope_rotation(position, 1, x.size()));
    Vector vector = Vector::from_shape({x.size()});
    std::copy(y.begin(), y.end(), vector.begin());
    return vector;
}

inline double dot(const Vector& a, const Vector& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a(i)) * b(i);
    return sum;
}

inline double length(const Vector& x) { return std::sqrt(dot(x, x)); }

/// θ_j in double.
inline double frequency(std::size_t j, std::size_t d) {
    return std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(d));
}

/// The paper's own order: number 2j is turned with its neighbour 2j + 1. Any heads [T, heads, d], in double.
inline Tensor3 interleaved_rope(const Tensor3& x, std::size_t first_position) {
    Tensor3 y = x;
    const std::size_t d = x.shape(2);
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t j = 0; j < d / 2; ++j) {
            const double angle = static_cast<double>(first_position + t) * frequency(j, d);
            for (std::size_t h = 0; h < x.shape(1); ++h) {
                const double first = x(t, h, 2 * j), second = x(t, h, 2 * j + 1);
                y(t, h, 2 * j) = static_cast<float>(first * std::cos(angle) - second * std::sin(angle));
                y(t, h, 2 * j + 1) = static_cast<float>(first * std::sin(angle) + second * std::cos(angle));
            }
        }
    }
    return y;
}

/// Neighbours (2j, 2j + 1) to the places (j, j + d/2).
inline Tensor3 to_half_split(const Tensor3& x) {
    Tensor3 y = x;
    const std::size_t d = x.shape(2);
    for (std::size_t row = 0; row < x.shape(0) * x.shape(1); ++row) {
        for (std::size_t j = 0; j < d / 2; ++j) {
            y.data()[row * d + j] = x.data()[row * d + 2 * j];
            y.data()[row * d + j + d / 2] = x.data()[row * d + 2 * j + 1];
        }
    }
    return y;
}

/// The largest difference of two tensors of one shape, relative to the largest number of the second.
inline double relative_difference(const Tensor3& found, const Tensor3& expected) {
    double largest = 0, difference = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::abs(1.0 * expected.data()[i]));
        difference = std::max(difference, std::abs(1.0 * found.data()[i] - expected.data()[i]));
    }
    return largest > 0 ? difference / largest : difference;
}

inline float bfloat16(double value) {
    return gemma::bfloat16_to_float(gemma::float_to_bfloat16(static_cast<float>(value)));
}

}  // namespace planes
