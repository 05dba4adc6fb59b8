// The two matrix products that attention is made of, on pieces of larger tensors.
#pragma once

#include <cstddef>

namespace gemma {

/// A row-major matrix inside a larger buffer: `rows` rows of `columns` numbers; row i starts at data + i * stride.
struct ConstMatrixView {
    const float* data;
    std::size_t rows;
    std::size_t columns;
    std::size_t stride;
};

struct MatrixView {
    float* data;
    std::size_t rows;
    std::size_t columns;
    std::size_t stride;
};

/// c = scale · a bᵀ, where a is [m, k], b is [n, k] and c is [m, n].
void multiply_transposed(ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c);

/// c = a b, where a is [m, k], b is [k, n] and c is [m, n].
void multiply(ConstMatrixView a, ConstMatrixView b, MatrixView c);

}  // namespace gemma
