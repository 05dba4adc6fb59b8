#include "gemma/linear/matmul.hpp"

#include "gemma/linear/tiling.hpp"

#include <xtensor-blas/xblas.hpp>

#include <algorithm>
#include <cassert>

#ifndef HAVE_CBLAS
#error "xtensor-blas must call a CBLAS here: without one it falls back to slow generic loops"
#endif

// OpenBLAS has threads of its own, which other CBLAS libraries set in other ways.
extern "C" void openblas_set_num_threads(int count) __attribute__((weak));

namespace gemma {

namespace {

// The threads are those of parallel_for: a BLAS with more of them would take the cores away.
void use_one_blas_thread() {
    static const bool done = [] {
        if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
        return true;
    }();
    static_cast<void>(done);
}

// c = scale · a op(b), row major throughout.
void sgemm(cxxblas::Transpose transpose_b, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c) {
    use_one_blas_thread();
    const auto integer = [](std::size_t n) { return static_cast<xt::blas_index_t>(n); };
    cxxblas::gemm<xt::blas_index_t>(cxxblas::StorageOrder::RowMajor, cxxblas::Transpose::NoTrans, transpose_b,
                                    integer(c.rows), integer(c.columns), integer(a.columns), scale, a.data,
                                    integer(a.stride), b.data, integer(b.stride), 0.0f, c.data, integer(c.stride));
}

// A matrix that is stored in float32, as BLAS wants it.
ConstMatrixView view(const WeightMatrix& b) {
    return {reinterpret_cast<const float*>(b.data), b.rows, b.columns, b.columns};
}

}  // namespace

void multiply_transposed(ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c) {
    assert(a.columns == b.columns && c.rows == a.rows && c.columns == b.rows);
    sgemm(cxxblas::Transpose::Trans, a, b, scale, c);
}

void multiply(ConstMatrixView a, ConstMatrixView b, MatrixView c) {
    assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
    sgemm(cxxblas::Transpose::NoTrans, a, b, 1.0f, c);
}

void multiply(ConstMatrixView a, const WeightMatrix& b, MatrixView c) {
    if (b.dtype == DType::float32) return multiply(a, view(b), c);
    assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
    // Rows of a as they are stored meet the columns of b, packed.
    thread_local Scratch<Unit> scratch;
    thread_local TileSums sums;
    const Tiling tiles = tiling(kernels_of_this_machine().front(), b.dtype == DType::bfloat16);
    const PackedColumns columns = pack(tiles, StoredRows(b), a.columns, scratch);
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

}  // namespace gemma
