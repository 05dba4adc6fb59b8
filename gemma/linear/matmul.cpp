#include "gemma/linear/matmul.hpp"

#include "gemma/linear/tiling.hpp"

#include <algorithm>
#include <cassert>

namespace gemma {

namespace {

const Kernels& best_kernels() { return kernels_of_this_machine().front(); }

// Rows of b as they are stored meet the rows of a, packed as columns.
void multiply_transposed(ConstMatrixView a, const StoredRows& b, float scale, MatrixView c) {
    thread_local Scratch<Unit> scratch;
    thread_local TileSums sums;
    const Tiling tiles = tiling(best_kernels(), b.dtype == DType::bfloat16);
    const PackedColumns columns = pack_transposed(tiles, a, scratch);
    const std::size_t block = tiles.kernel.block;
    for (std::size_t first = 0; first < c.columns; first += most_rows) {
        const std::size_t last = std::min(first + most_rows, c.columns);
        sums.compute(tiles, b, first, last, columns);
        for (std::size_t i = 0; i < c.rows; ++i) {
            const float* column = sums.row(i / block, 0) + i % block;
            float* target = c.data + i * c.stride;
            for (std::size_t j = first; j < last; ++j) target[j] = scale * column[(j - first) * block];
        }
    }
}

// Rows of a as they are stored meet the columns of b.
void multiply(ConstMatrixView a, const StoredRows& b, MatrixView c) {
    thread_local Scratch<Unit> scratch;
    thread_local TileSums sums;
    const Tiling tiles = tiling(best_kernels(), b.dtype == DType::bfloat16);
    const PackedColumns columns = pack(tiles, b, a.columns, scratch);
    const std::size_t block = tiles.kernel.block;
    for (std::size_t first = 0; first < c.rows; first += most_rows) {
        const std::size_t last = std::min(first + most_rows, c.rows);
        sums.compute(tiles, StoredRows(a), first, last, columns);
        for (std::size_t i = first; i < last; ++i) {
            for (std::size_t j = 0; j < c.columns; j += block) {
                std::copy_n(sums.row(j / block, i - first), std::min(block, c.columns - j), c.data + i * c.stride + j);
            }
        }
    }
}

}  // namespace

void multiply_transposed(ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c) {
    assert(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows);
    multiply_transposed(a, StoredRows(b), scale, c);
}

void multiply(ConstMatrixView a, ConstMatrixView b, MatrixView c) {
    assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
    multiply(a, StoredRows(b), c);
}

void multiply_transposed(ConstMatrixView a, const WeightMatrix& b, float scale, MatrixView c) {
    assert(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows);
    multiply_transposed(a, StoredRows(b), scale, c);
}

void multiply(ConstMatrixView a, const WeightMatrix& b, MatrixView c) {
    assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
    multiply(a, StoredRows(b), c);
}

}  // namespace gemma
