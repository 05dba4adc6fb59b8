// y = x Wᵀ for many rows of x: bound by arithmetic.
//
// The tokens are packed into blocks of columns once, and each piece of weight rows, as it is stored, meets all of them
// (tiling.hpp, kernels/tile.inc). A weight is fetched from memory once for 512 tokens, so that memory does not matter.
#pragma once

#include "gemma/linear/kernels/kernels.hpp"
#include "gemma/linear/linear.hpp"

namespace gemma {

/// y = x Wᵀ, with the kernels given.
void many_rows(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& weight, MatrixView y,
               Precision precision);

/// combine(x Aᵀ, x Bᵀ), number by number.
void many_rows_pair(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& a, const WeightMatrix& b,
                    const Combine& combine, MatrixView y, Precision precision);

}  // namespace gemma
