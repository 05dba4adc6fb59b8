// Matrix products of pieces of larger tensors.
//
// They run on the thread that calls them: who has much work splits it over threads by itself.
#pragma once

#include "gemma/linear/weight_matrix.hpp"

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

/// The same with b as it is stored, in any dtype: the values of a cache. Where b is bfloat16, the numbers of a must be
/// bfloat16 numbers too. A row of c is the same to the last bit whatever the other rows are, which a BLAS does not
/// promise; only up to `few` rows and more than these are summed in two ways.
void multiply(ConstMatrixView a, const WeightMatrix& b, MatrixView c);

}  // namespace gemma
