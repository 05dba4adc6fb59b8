#include "gemma/linear/matmul.hpp"

#include <xtensor-blas/xblas.hpp>

#include <cassert>

#ifndef HAVE_CBLAS
#error "xtensor-blas must call a CBLAS here: without one it falls back to slow generic loops"
#endif

namespace gemma {

namespace {

// c = scale · a op(b), row major throughout.
void sgemm(cxxblas::Transpose transpose_b, ConstMatrixView a, ConstMatrixView b, float scale, MatrixView c) {
    const auto integer = [](std::size_t n) { return static_cast<xt::blas_index_t>(n); };
    cxxblas::gemm<xt::blas_index_t>(cxxblas::StorageOrder::RowMajor, cxxblas::Transpose::NoTrans, transpose_b,
                                    integer(c.rows), integer(c.columns), integer(a.columns), scale, a.data,
                                    integer(a.stride), b.data, integer(b.stride), 0.0f, c.data, integer(c.stride));
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

}  // namespace gemma
