// Tensors compared as a whole: the largest difference, relative to the largest magnitude that is expected.
//
//   CHECK_CLOSE(attention(x, weights, rotation, past), expected, 1e-6);
//
// On failure it prints the expression, the index of the largest difference and both values there.
#pragma once

#include "gemma/tensor.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

namespace gemma {

/// What a test computes in double for comparison.
using Vector64 = xt::xtensor<double, 1>;
using Matrix64 = xt::xtensor<double, 2>;
using Tensor3_64 = xt::xtensor<double, 3>;

struct Difference {
    double relative = 0.0;  // infinite when the shapes differ or a number is NaN
    std::string text;
};

/// The index of the element at `offset`, row major: "[1, 0, 3]".
inline std::string index_at(const Shape& shape, std::size_t offset) {
    Shape index(shape.size());
    for (std::size_t axis = shape.size(); axis-- > 0; offset /= shape[axis]) index[axis] = offset % shape[axis];
    return to_string(index);
}

template <typename Found, typename Expected, std::size_t N>
Difference largest_difference(std::string_view name, const xt::xtensor<Found, N>& found,
                              const xt::xtensor<Expected, N>& expected) {
    const Shape shape(found.shape().begin(), found.shape().end());
    const Shape expected_shape(expected.shape().begin(), expected.shape().end());
    if (shape != expected_shape) {
        return {INFINITY,
                fmt::format("{} has shape {}, expected {}", name, to_string(shape), to_string(expected_shape))};
    }
    double magnitude = 0.0;
    for (const Expected value : expected) magnitude = std::max(magnitude, std::fabs(static_cast<double>(value)));

    double largest = 0.0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double difference =
            std::fabs(static_cast<double>(found.data()[i]) - static_cast<double>(expected.data()[i]));
        if (std::isnan(difference) || difference > largest) {
            largest = std::isnan(difference) ? INFINITY : difference;
            where = i;
        }
        if (std::isinf(largest)) break;
    }
    const double relative = largest == 0.0 ? 0.0 : largest / magnitude;
    if (found.size() == 0) return {relative, fmt::format("{} is empty", name)};
    return {
        relative,
        fmt::format("{}{} is {:.9g}, expected {:.9g}: a difference of {:.3g} relative to the largest magnitude {:.6g}",
                    name, index_at(shape, where), found.data()[where], expected.data()[where], relative, magnitude)};
}

}  // namespace gemma

#define CHECK_CLOSE(found, expected, tolerance)                                                          \
    do {                                                                                                 \
        const ::gemma::Difference difference_ = ::gemma::largest_difference(#found, found, expected);    \
        CHECK_MESSAGE(difference_.relative <= (tolerance), difference_.text, ", tolerance ", tolerance); \
    } while (false)
