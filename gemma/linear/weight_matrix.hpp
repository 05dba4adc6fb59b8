// A matrix of weights, kept as it is stored.
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>

namespace gemma {

/// A weight matrix [out, in], row major, in the number format of its file. It views memory that somebody else owns
/// (a mapped checkpoint, a Matrix, a key/value cache) and that must outlive it.
struct WeightMatrix {
    DType dtype = DType::float32;
    const std::byte* data = nullptr;  // aligned to the size of a number
    std::size_t rows = 0;             // out
    std::size_t columns = 0;          // in

    /// Views a float32 matrix [out, in].
    static WeightMatrix of(const Matrix& matrix);
};

/// Row `index` of a weight matrix as float32, written to `target` [in]: what an embedding looks up.
void copy_row(const WeightMatrix& weight, std::size_t index, float* target);

}  // namespace gemma
