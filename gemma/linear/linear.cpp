#include "gemma/linear/linear.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <vector>

namespace gemma {

namespace {

const std::byte* row(const WeightMatrix& weight, std::size_t index) {
    return weight.data + index * weight.columns * size_of(weight.dtype);
}

// Columns first … first + count - 1 of y: x times `count` rows of W, given as float32 [count, in].
void linear_rows(ConstMatrixView x, const float* rows, std::size_t first, std::size_t count, MatrixView y) {
    multiply_transposed(x, {rows, count, x.columns, x.columns}, 1.0f, {y.data + first, y.rows, count, y.stride});
}

// Each weight is converted to float32 once, a tile of rows that stays in the cache at a time, and meets all rows of x.
void linear_tiled(ConstMatrixView x, const WeightMatrix& weight, MatrixView y) {
    constexpr std::size_t tile_bytes = 1 << 20;
    const std::size_t tile_rows = std::max<std::size_t>(1, tile_bytes / (weight.columns * sizeof(float)));
    std::vector<float> tile(std::min(tile_rows, weight.rows) * weight.columns);
    for (std::size_t first = 0; first < weight.rows; first += tile_rows) {
        const std::size_t count = std::min(tile_rows, weight.rows - first);
        to_float32(row(weight, first), weight.dtype, count * weight.columns, tile.data());
        linear_rows(x, tile.data(), first, count, y);
    }
}

}  // namespace

WeightMatrix WeightMatrix::of(const Matrix& matrix) {
    return {DType::float32, reinterpret_cast<const std::byte*>(matrix.data()), matrix.shape(0), matrix.shape(1)};
}

void linear(ConstMatrixView x, const WeightMatrix& weight, MatrixView y, Precision precision) {
    require_shape("the input of a linear map", Shape{x.rows, x.columns}, {x.rows, weight.columns});
    require_shape("the output of a linear map", Shape{y.rows, y.columns}, {x.rows, weight.rows});
    if (weight.dtype == DType::float32) {
        linear_rows(x, reinterpret_cast<const float*>(weight.data), 0, weight.rows, y);
    } else {
        linear_tiled(x, weight, y);
    }
    for (std::size_t t = 0; t < y.rows; ++t) round_to(precision, y.data + t * y.stride, y.columns);
}

Matrix linear(const Matrix& x, const WeightMatrix& weight, Precision precision) {
    const std::size_t T = x.shape(0), in = x.shape(1), out = weight.rows;
    Matrix y = Matrix::from_shape({T, out});
    linear({x.data(), T, in, in}, weight, {y.data(), T, out, out}, precision);
    return y;
}

void copy_row(const WeightMatrix& weight, std::size_t index, float* target) {
    to_float32(row(weight, index), weight.dtype, weight.columns, target);
}

}  // namespace gemma
