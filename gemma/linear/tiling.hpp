// A product of many rows and columns, cut into tiles that the kernels multiply.
//
// One side lies packed as columns, in blocks that a tile takes at once; the other side stays as it is stored, as rows,
// and is converted on the way only where the kernel cannot read it. Numbers count in units of four bytes: a float32, or
// a pair of bfloat16.
#pragma once

#include "gemma/linear/kernels/kernels.hpp"
#include "gemma/linear/matmul.hpp"
#include "gemma/linear/scratch.hpp"

#include <array>
#include <cstddef>

namespace gemma {

/// A kernel for tiles and what its units are made of.
struct Tiling {
    const TileKernel& kernel;
    DType dtype;  // float32, or bfloat16 for pairs
    decltype(Kernels::widen_float16) widen_float16;

    /// The units of k numbers.
    std::size_t units(std::size_t k) const { return dtype == DType::float32 ? k : (k + 1) / 2; }
};

/// Pairs of bfloat16 where the machine multiplies them, float32 otherwise.
Tiling tiling(const Kernels& kernels, bool pairs);

/// Columns of k numbers each, packed: [blocks, units, block], the last block filled with zeros.
struct PackedColumns {
    std::size_t count = 0;
    std::size_t units = 0;
    const Unit* data = nullptr;
};

/// Stored rows: row i starts at data + i * stride bytes.
struct StoredRows {
    DType dtype;
    const std::byte* data;
    std::size_t columns;
    std::size_t stride;

    explicit StoredRows(const WeightMatrix& weight);
    explicit StoredRows(ConstMatrixView matrix);
};

/// The rows of x [n, k] as columns.
PackedColumns pack_transposed(const Tiling& tiling, ConstMatrixView x, Scratch<Unit>& scratch);

/// The columns of b [k, n].
PackedColumns pack(const Tiling& tiling, const StoredRows& b, std::size_t k, Scratch<Unit>& scratch);

/// At most so many rows are multiplied in one go: their chunk stays in the second-level cache.
constexpr std::size_t most_rows = 16 * tile_rows;

/// Products of stored rows with packed columns.
class TileSums {
public:
    /// Multiplies rows first … last - 1, at most most_rows, with all columns.
    void compute(const Tiling& tiling, const StoredRows& rows, std::size_t first, std::size_t last,
                 const PackedColumns& columns);

    /// The products of a row, counted from `first`, with the columns of a block, side by side.
    float* row(std::size_t block, std::size_t row) { return sums_ + (block * rows_ + row) * block_; }

    /// From a row to the next one.
    std::size_t stride() const { return block_; }

private:
    using Chunk = std::array<const std::byte*, most_rows>;  // where a chunk of each row starts

    Chunk chunk(const Tiling& tiling, const StoredRows& rows, std::size_t first, std::size_t last, std::size_t unit,
                std::size_t units);

    Scratch<float> memory_{};
    Scratch<std::byte> panel_{};
    float* sums_ = nullptr;  // [blocks, rows, block]
    std::size_t rows_ = 0, block_ = 0;
};

}  // namespace gemma
