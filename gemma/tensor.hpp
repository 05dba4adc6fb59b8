// The tensors that everything here is written in, and the axis letters that name their shapes.
//
//   T  tokens of this call              D  hidden size
//   S  tokens seen so far, cache incl.  F  feed-forward size
//   H  query heads                      V  vocabulary size
//   K  key/value heads                  L  layers
//   d  head dimension
//
// A shape is written with the letters side by side: a query of T tokens, H heads and d numbers a head is [T, H, d].
#pragma once

#include "gemma/xtensor.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

// Row major: the last axis is contiguous in memory.
using Vector = xt::xtensor<float, 1>;
using Matrix = xt::xtensor<float, 2>;
using Tensor3 = xt::xtensor<float, 3>;

using Shape = std::vector<std::size_t>;

/// A shape as text: "[5, 2048]".
std::string to_string(const Shape& shape);

/// The number of elements of a shape: the product of its axes.
std::size_t element_count(const Shape& shape);

/// Where an element of a row-major tensor is: element 7 of [2, 5] is at [1, 2].
Shape place_of(std::size_t element, const Shape& shape);

template <std::size_t N>
Shape shape_of(const xt::xtensor<float, N>& tensor) {
    return Shape(tensor.shape().begin(), tensor.shape().end());
}

/// Throws an Error that prints both shapes when `found` is not `expected`.
void require_shape(std::string_view what, const Shape& found, const Shape& expected);

template <std::size_t N>
void require_shape(std::string_view what, const xt::xtensor<float, N>& tensor, const Shape& expected) {
    require_shape(what, shape_of(tensor), expected);
}

}  // namespace gemma
