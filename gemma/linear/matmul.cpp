#include "gemma/linear/matmul.hpp"

#include "gemma/elementwise.hpp"
#include "gemma/linear/few_rows.hpp"
#include "gemma/linear/tiling.hpp"

#include <xtensor-blas/xblas.hpp>

#include <algorithm>
#include <cassert>
#include <cstdint>

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

float wide(float number) { return number; }
float wide(std::uint16_t bfloat16) { return bfloat16_to_float(bfloat16); }

// sum = Σ_s factors[s] rows[s], for rows of `count` numbers, one after the other.
template <typename Number>
__attribute__((always_inline)) inline void weighted_sum(const float* factors, const Number* rows, std::size_t length,
                                                        std::size_t count, float* __restrict sum) {
    std::fill_n(sum, count, 0.0f);
    for (std::size_t s = 0; s < length; ++s, rows += count) {
        for (std::size_t j = 0; j < count; ++j) sum[j] += factors[s] * wide(rows[j]);
    }
}

GEMMA_WIDEST_VECTORS void weighted_sum_float32(const float* factors, const float* rows, std::size_t length,
                                               std::size_t count, float* sum) {
    weighted_sum(factors, rows, length, count, sum);
}

GEMMA_WIDEST_VECTORS void weighted_sum_bfloat16(const float* factors, const std::uint16_t* rows, std::size_t length,
                                                std::size_t count, float* sum) {
    weighted_sum(factors, rows, length, count, sum);
}

// Each row of c is a weighted sum of the rows of b: for few of them, packing b would take longer than the product.
void multiply_few(ConstMatrixView a, const WeightMatrix& b, MatrixView c) {
    for (std::size_t i = 0; i < a.rows; ++i) {
        const float* factors = a.data + i * a.stride;
        float* sum = c.data + i * c.stride;
        if (b.dtype == DType::float32) {
            weighted_sum_float32(factors, reinterpret_cast<const float*>(b.data), b.rows, b.columns, sum);
        } else {
            weighted_sum_bfloat16(factors, reinterpret_cast<const std::uint16_t*>(b.data), b.rows, b.columns, sum);
        }
    }
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
    assert(a.columns == b.rows && c.rows == a.rows && c.columns == b.columns);
    if (a.rows <= few && b.dtype != DType::float16) return multiply_few(a, b, c);
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
