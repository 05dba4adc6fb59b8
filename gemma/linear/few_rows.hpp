// y = x Wᵀ for few rows of x, above all the one of decoding: bound by memory.
//
// Every weight is read once, from where it is stored, and nothing else that would take part of the memory's time: each
// thread takes a piece of rows. With one row of x the piece is read as four runs of bytes side by side, its four
// quarters, each from its first byte to its last (two runs where registers are few; kernels/dot.inc says why). Rows
// longer than 16384 numbers are read in chunks, all rows of a piece for one chunk of x, so that this chunk stays in the
// second-level cache.
#pragma once

#include "gemma/linear/kernels/kernels.hpp"
#include "gemma/linear/linear.hpp"

namespace gemma {

/// More rows are faster as tiles.
constexpr std::size_t few = 4;

/// y = x Wᵀ for at most `few` rows, with the kernels given.
void few_rows(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& weight, MatrixView y, Precision precision);

/// combine(x Aᵀ, x Bᵀ), number by number.
void few_rows_pair(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& a, const WeightMatrix& b,
                   const Combine& combine, MatrixView y, Precision precision);

}  // namespace gemma
