#include "gemma/linear/tiling.hpp"

#include "gemma/elementwise.hpp"
#include "gemma/error.hpp"
#include "gemma/parallel.hpp"

#include <algorithm>
#include <cstring>

namespace gemma {

namespace {

// Units of a chunk: of a block of 64 columns they take 128 KiB, of 96 rows 192 KiB.
constexpr std::size_t chunk_units = 512;

// Units that are packed at once, so that what is written stays in the first-level cache.
constexpr std::size_t packed_units = 32;

std::uint32_t bits_of(float number) {
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}

// Two numbers that are bfloat16 numbers: the upper halves are all that they have.
Unit pair(float first, float second) { return bits_of(first) >> 16 | (bits_of(second) & 0xffff0000); }

// Unit u of k numbers.
Unit unit_of(const float* numbers, std::size_t k, std::size_t u, DType dtype) {
    if (dtype == DType::float32) return bits_of(numbers[u]);
    return pair(numbers[2 * u], 2 * u + 1 < k ? numbers[2 * u + 1] : 0.0f);
}

// One block of pack_transposed.
void pack_block(const Tiling& tiling, ConstMatrixView x, std::size_t first, Unit* target) {
    const std::size_t block = tiling.kernel.block, units = tiling.units(x.columns);
    const std::size_t count = std::min(block, x.rows - first);
    for (std::size_t from = 0; from < units; from += packed_units) {
        const std::size_t to = std::min(from + packed_units, units);
        for (std::size_t j = 0; j < count; ++j) {
            const float* numbers = x.data + (first + j) * x.stride;
            for (std::size_t u = from; u < to; ++u) {
                target[u * block + j] = unit_of(numbers, x.columns, u, tiling.dtype);
            }
        }
        for (std::size_t u = from; u < to; ++u) std::fill(target + u * block + count, target + (u + 1) * block, 0);
    }
}

// Stored numbers as float32.
void widen(const Tiling& tiling, DType dtype, const std::byte* source, std::size_t count, float* target) {
    if (dtype == DType::float16) {
        tiling.widen_float16(reinterpret_cast<const std::uint16_t*>(source), count, target);
    } else {
        to_float32(source, dtype, count, target);
    }
}

// `count` stored numbers as units, with a zero at the end where they do not fill the last one.
void to_units(const Tiling& tiling, DType dtype, const std::byte* source, std::size_t count, std::byte* target) {
    if (tiling.dtype == DType::float32) {
        widen(tiling, dtype, source, count, reinterpret_cast<float*>(target));
        return;
    }
    if (dtype == DType::bfloat16) {
        std::memcpy(target, source, count * 2);
    } else {
        from_float32(reinterpret_cast<const float*>(source), count, DType::bfloat16, target);
    }
    if (count % 2 != 0) std::memset(target + count * 2, 0, 2);
}

// Two rows of bfloat16 as pairs, one number of each.
GEMMA_WIDEST_VECTORS void interleave(const std::uint16_t* first, const std::uint16_t* second, std::size_t count,
                                     Unit* target) {
    for (std::size_t j = 0; j < count; ++j) target[j] = first[j] | static_cast<Unit>(second[j]) << 16;
}

// Unit u of `count` columns side by side, of k stored rows.
void pack_unit(const Tiling& tiling, DType dtype, const std::byte* rows, std::size_t stride, std::size_t u,
               std::size_t k, std::size_t count, Unit* target) {
    if (tiling.dtype == DType::float32) {
        widen(tiling, dtype, rows + u * stride, count, reinterpret_cast<float*>(target));
        return;
    }
    if (dtype != DType::bfloat16) fail("pairs of bfloat16 are made of {}, expected bfloat16", to_string(dtype));
    const auto* first = reinterpret_cast<const std::uint16_t*>(rows + 2 * u * stride);
    const auto* second = reinterpret_cast<const std::uint16_t*>(rows + (2 * u + 1) * stride);
    if (2 * u + 1 < k) {
        interleave(first, second, count, target);
    } else {
        std::copy_n(first, count, target);
    }
}

}  // namespace

Tiling tiling(const Kernels& kernels, bool pairs) {
    if (pairs && kernels.tile_bfloat16.multiply != nullptr) {
        return {kernels.tile_bfloat16, DType::bfloat16, kernels.widen_float16};
    }
    return {kernels.tile_float32, DType::float32, kernels.widen_float16};
}

PackedColumns pack_transposed(const Tiling& tiling, ConstMatrixView x, Scratch<Unit>& scratch) {
    const std::size_t block = tiling.kernel.block, blocks = (x.rows + block - 1) / block;
    const std::size_t units = tiling.units(x.columns);
    Unit* data = scratch.get(blocks * units * block);
    parallel_for(blocks, 1, [&](std::size_t first, std::size_t last) {
        for (std::size_t b = first; b < last; ++b) pack_block(tiling, x, b * block, data + b * units * block);
    });
    return {x.rows, units, data};
}

PackedColumns pack(const Tiling& tiling, const StoredRows& b, std::size_t k, Scratch<Unit>& scratch) {
    const std::size_t block = tiling.kernel.block, blocks = (b.columns + block - 1) / block, units = tiling.units(k);
    Unit* data = scratch.get(blocks * units * block);
    for (std::size_t j = 0; j < b.columns; j += block) {
        const std::size_t count = std::min(block, b.columns - j);
        const std::byte* column = b.data + j * size_of(b.dtype);
        Unit* target = data + j * units;
        for (std::size_t u = 0; u < units; ++u, target += block) {
            pack_unit(tiling, b.dtype, column, b.stride, u, k, count, target);
            std::fill(target + count, target + block, 0);
        }
    }
    return {b.columns, units, data};
}

StoredRows::StoredRows(const WeightMatrix& weight)
    : dtype(weight.dtype), data(weight.data), columns(weight.columns), stride(columns * size_of(dtype)) {}

StoredRows::StoredRows(ConstMatrixView matrix)
    : dtype(DType::float32),
      data(reinterpret_cast<const std::byte*>(matrix.data)),
      columns(matrix.columns),
      stride(matrix.stride * sizeof(float)) {}

// A chunk of each row: where it is stored, or converted. A tile that is not full repeats the last row.
TileSums::Chunk TileSums::chunk(const Tiling& tiling, const StoredRows& rows, std::size_t first, std::size_t last,
                                std::size_t unit, std::size_t units) {
    const std::size_t numbers_of_unit = tiling.dtype == DType::float32 ? 1 : 2, number = unit * numbers_of_unit;
    const std::size_t numbers = std::min(units * numbers_of_unit, rows.columns - number);
    const bool in_place = rows.dtype == tiling.dtype && numbers == units * numbers_of_unit;
    std::byte* converted = in_place ? nullptr : panel_.get((last - first) * units * sizeof(Unit));
    Chunk chunk{};
    for (std::size_t row = first; row < last; ++row) {
        const std::byte* stored = rows.data + row * rows.stride + number * size_of(rows.dtype);
        chunk[row - first] = in_place ? stored : converted;
        if (in_place) continue;
        to_units(tiling, rows.dtype, stored, numbers, converted);
        converted += units * sizeof(Unit);
    }
    std::fill(chunk.begin() + (last - first), chunk.begin() + rows_, chunk[last - first - 1]);
    return chunk;
}

void TileSums::compute(const Tiling& tiling, const StoredRows& rows, std::size_t first, std::size_t last,
                       const PackedColumns& columns) {
    const TileKernel& kernel = tiling.kernel;
    const std::size_t blocks = (columns.count + kernel.block - 1) / kernel.block;
    block_ = kernel.block;
    rows_ = (last - first + tile_rows - 1) / tile_rows * tile_rows;
    sums_ = memory_.get(blocks * rows_ * block_);
    std::fill(sums_, sums_ + blocks * rows_ * block_, 0.0f);

    for (std::size_t unit = 0; unit < columns.units; unit += chunk_units) {
        const std::size_t units = std::min(chunk_units, columns.units - unit);
        const Chunk weights = chunk(tiling, rows, first, last, unit, units);
        for (std::size_t b = 0; b < blocks; ++b) {
            const std::size_t width = std::min(kernel.block, columns.count - b * kernel.block);
            const std::size_t vectors = (width + kernel.lanes - 1) / kernel.lanes;
            const Unit* block = columns.data + (b * columns.units + unit) * kernel.block;
            for (std::size_t r = 0; r < rows_; r += tile_rows) {
                kernel.multiply(weights.data() + r, units, block, vectors, row(b, r));
            }
        }
    }
}

}  // namespace gemma
