// In which numbers the forward pass computes.
//
// Gemma is published in bfloat16, a float32 with 7 instead of 23 bits of fraction. The official model, run in
// bfloat16, rounds every tensor that it makes; sums inside a product, a norm or a softmax stay in float32. Here a
// tensor's numbers are always float32: in bfloat16 precision each is rounded to the nearest bfloat16 where the
// official model rounds it.
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <string_view>

namespace gemma {

enum class Precision { float32, bfloat16 };

/// "float32", "bfloat16".
std::string_view to_string(Precision precision);

/// Replaces each number by the nearest one that the precision has, ties to even. Does nothing in float32.
void round_to(Precision precision, float* numbers, std::size_t count);

/// The tensor with each number rounded.
template <std::size_t N>
xt::xtensor<float, N> rounded(Precision precision, xt::xtensor<float, N> tensor) {
    round_to(precision, tensor.data(), tensor.size());
    return tensor;
}

}  // namespace gemma
