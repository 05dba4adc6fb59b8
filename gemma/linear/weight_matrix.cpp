#include "gemma/linear/weight_matrix.hpp"

namespace gemma {

WeightMatrix WeightMatrix::of(const Matrix& matrix) {
    return {DType::float32, reinterpret_cast<const std::byte*>(matrix.data()), matrix.shape(0), matrix.shape(1)};
}

void copy_row(const WeightMatrix& weight, std::size_t index, float* target) {
    const std::size_t row_bytes = weight.columns * size_of(weight.dtype);
    to_float32(weight.data + index * row_bytes, weight.dtype, weight.columns, target);
}

}  // namespace gemma
