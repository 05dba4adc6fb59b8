// y = x Wᵀ, with the weights kept as they are stored.
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/linear/matmul.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>

namespace gemma {

/// A weight matrix [out, in], row major, in the number format of its file. It views memory that somebody else owns
/// (a mapped checkpoint, a Matrix) and that must outlive it.
struct WeightMatrix {
    DType dtype = DType::float32;
    const std::byte* data = nullptr;  // aligned to the size of a number
    std::size_t rows = 0;             // out
    std::size_t columns = 0;          // in

    /// Views a float32 matrix [out, in].
    static WeightMatrix of(const Matrix& matrix);
};

/// y = x Wᵀ, written into y [T, out], for x [T, in]; both may be pieces of larger tensors. Sums are float32. In
/// bfloat16 precision the numbers of x must be bfloat16 numbers already, and those of y are rounded to it.
void linear(ConstMatrixView x, const WeightMatrix& weight, MatrixView y, Precision precision = Precision::float32);

/// y = x Wᵀ: each of the T rows of x [T, in] times each of the rows of W [out, in]; y is [T, out].
/// Throws an Error when x does not have W's number of columns.
Matrix linear(const Matrix& x, const WeightMatrix& weight, Precision precision = Precision::float32);

/// Row `index` of a weight matrix as float32, written to `target` [in]: what an embedding looks up.
void copy_row(const WeightMatrix& weight, std::size_t index, float* target);

}  // namespace gemma
