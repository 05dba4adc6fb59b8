// Numbers that are none: one NaN or infinity in the weights, and everything computed from it is NaN.
#pragma once

#include "gemma/dtype.hpp"

#include <cstddef>

namespace gemma {

/// How many of some numbers are not finite, and the first of them.
struct NotFinite {
    std::size_t count = 0;
    std::size_t first = 0;  // its place; nothing where there is none
    float value = 0;
};

/// Looks through `count` numbers as they are stored, on all threads. Integers are always finite.
NotFinite not_finite(const std::byte* data, DType dtype, std::size_t count);

}  // namespace gemma
