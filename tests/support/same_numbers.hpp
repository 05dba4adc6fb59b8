// Whether two matrices are the same to the last bit.
#pragma once

#include "gemma/tensor.hpp"

#include <cstring>

namespace gemma {

inline bool same_numbers(const Matrix& a, const Matrix& b) {
    return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace gemma
