#include "gemma/linear/many_rows.hpp"

#include "gemma/linear/tiling.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>

namespace gemma {

namespace {

// Tokens that are packed at once: of 16384 numbers each they take 16 MiB in bfloat16.
constexpr std::size_t most_tokens = 512;

// A matrix that is large gives every thread several pieces of most_rows; a small one is cut finer.
std::size_t rows_of_piece(const WeightMatrix& weight) {
    return weight.rows >= 16 * most_rows ? most_rows : most_rows / 2;
}

// y[t, r] = sums[r, t] for the rows of a piece and the tokens of a block. Rows of y lie so far apart that the hardware
// does not see which comes next: each is asked for some tokens ahead, which halves the time of this loop.
void write_transposed(const float* sums, std::size_t stride, MatrixView y) {
    constexpr std::size_t ahead = 8, line = 64 / sizeof(float);
    for (std::size_t t = 0; t < y.rows; ++t) {
        const float* later = y.data + std::min(t + ahead, y.rows - 1) * y.stride;
        for (std::size_t r = 0; r < y.columns; r += line) __builtin_prefetch(later + r, 1);
        for (std::size_t r = 0; r < y.columns; ++r) y.data[t * y.stride + r] = sums[r * stride + t];
    }
}

// Columns first … last - 1 of y from the products of these rows of weights with all tokens, of which
// finish(block, row, count) rounds each run of numbers.
template <typename Finish>
void write_piece(TileSums& sums, std::size_t first, std::size_t last, MatrixView y, const Finish& finish) {
    const std::size_t block = sums.stride();
    for (std::size_t t = 0; t < y.rows; t += block) {
        const std::size_t count = std::min(block, y.rows - t);
        for (std::size_t r = 0; r < last - first; ++r) finish(t / block, r, count);
        write_transposed(sums.row(t / block, 0), block, {y.data + t * y.stride + first, count, last - first, y.stride});
    }
}

ConstMatrixView rows_of(ConstMatrixView x, std::size_t first, std::size_t count) {
    return {x.data + first * x.stride, count, x.columns, x.stride};
}

MatrixView rows_of(MatrixView y, std::size_t first, std::size_t count) {
    return {y.data + first * y.stride, count, y.columns, y.stride};
}

}  // namespace

void many_rows(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& weight, MatrixView y,
               Precision precision) {
    thread_local Scratch<Unit> scratch;
    const Tiling tiles = tiling(kernels, precision == Precision::bfloat16 && weight.dtype == DType::bfloat16);
    const StoredRows rows(weight);
    for (std::size_t t = 0; t < x.rows; t += most_tokens) {
        const std::size_t tokens = std::min(most_tokens, x.rows - t);
        const PackedColumns columns = pack_transposed(tiles, rows_of(x, t, tokens), scratch);
        parallel_for(weight.rows, rows_of_piece(weight), [&](std::size_t first, std::size_t last) {
            thread_local TileSums sums;
            sums.compute(tiles, rows, first, last, columns);
            write_piece(sums, first, last, rows_of(y, t, tokens),
                        [&](std::size_t block, std::size_t r, std::size_t count) {
                            round_to(precision, sums.row(block, r), count);
                        });
        });
    }
}

void many_rows_pair(const Kernels& kernels, ConstMatrixView x, const WeightMatrix& a, const WeightMatrix& b,
                    const Combine& combine, MatrixView y, Precision precision) {
    thread_local Scratch<Unit> scratch;
    const bool pairs = precision == Precision::bfloat16 && a.dtype == DType::bfloat16 && b.dtype == DType::bfloat16;
    const Tiling tiles = tiling(kernels, pairs);
    const StoredRows a_rows(a), b_rows(b);
    for (std::size_t t = 0; t < x.rows; t += most_tokens) {
        const std::size_t tokens = std::min(most_tokens, x.rows - t);
        const PackedColumns columns = pack_transposed(tiles, rows_of(x, t, tokens), scratch);
        parallel_for(a.rows, rows_of_piece(a), [&](std::size_t first, std::size_t last) {
            thread_local TileSums a_sums, b_sums;
            a_sums.compute(tiles, a_rows, first, last, columns);
            b_sums.compute(tiles, b_rows, first, last, columns);
            write_piece(a_sums, first, last, rows_of(y, t, tokens),
                        [&](std::size_t block, std::size_t r, std::size_t count) {
                            round_to(precision, a_sums.row(block, r), count);
                            round_to(precision, b_sums.row(block, r), count);
                            combine(a_sums.row(block, r), b_sums.row(block, r), count);
                        });
        });
    }
}

}  // namespace gemma
