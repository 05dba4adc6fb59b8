// y = x Wᵀ, with the weights kept as they are stored.
//
// Few rows of x (decoding) and many rows (reading a prompt) are two different problems: see few_rows.hpp, which is
// bound by the speed of memory, and many_rows.hpp, which is bound by arithmetic.
#pragma once

#include "gemma/linear/matmul.hpp"
#include "gemma/linear/weight_matrix.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>
#include <functional>

namespace gemma {

/// y = x Wᵀ, written into y [T, out], for x [T, in]; both may be pieces of larger tensors. Sums are float32. In
/// bfloat16 precision the numbers of x must be bfloat16 numbers already, and those of y are rounded to it.
void linear(ConstMatrixView x, const WeightMatrix& weight, MatrixView y, Precision precision = Precision::float32);

/// y = x Wᵀ: each of the T rows of x [T, in] times each of the rows of W [out, in]; y is [T, out].
/// Throws an Error when x does not have W's number of columns.
Matrix linear(const Matrix& x, const WeightMatrix& weight, Precision precision = Precision::float32);

/// Replaces count numbers of a by what they make with those of b, number by number: a[i] = f(a[i], b[i]).
using Combine = std::function<void(float* a, const float* b, std::size_t count)>;

/// f(x Aᵀ, x Bᵀ), number by number, for two weights of the same shape: what an MLP with a gate does. The two products
/// are never formed as a whole; the numbers are those of linear(x, A), linear(x, B) and then `combine`.
/// `combine` is called on many threads, for runs of numbers in any order.
Matrix linear_pair(const Matrix& x, const WeightMatrix& a, const WeightMatrix& b, const Combine& combine,
                   Precision precision = Precision::float32);

}  // namespace gemma
