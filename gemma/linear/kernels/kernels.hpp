// The inner loops of all products with weights, for each instruction set that knows how to do them.
//
// dot.inc   one stored row of weights times few rows of x, or few times one; bound by the speed of memory
// tile.inc  rows of weights times a block of columns, bound by arithmetic
//
// Both are written once, in vectors of a width that the instruction set gives, and compiled for each in a file of its
// own: base.cpp (any machine), avx2.cpp, avx512.cpp, avx512_bf16.cpp. What a machine has is found out at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gemma {

/// Rows of weights in a tile.
constexpr std::size_t tile_rows = 6;

/// What a tile counts in: four bytes of a row or of a column, one float32 or a pair of bfloat16 numbers, the earlier
/// one in the lower half.
using Unit = std::uint32_t;

/// sums[r, j] += Σ_u rows[r][u] columns[u, j] for tile_rows rows and a block of columns.
struct TileKernel {
    std::size_t lanes = 0;  // columns in a vector
    /// Columns in a block, a multiple of the lanes: columns is [units, block], aligned to 64 bytes.
    std::size_t block = 0;
    /// `vectors`: how many vectors of the block are used. sums is [tile_rows, block].
    void (*multiply)(const std::byte* const* rows, std::size_t units, const Unit* columns, std::size_t vectors,
                     float* sums) = nullptr;
};

struct Kernels {
    std::string_view instructions;

    /// How many rows of x, or of w, the dots take at once.
    std::size_t dot_rows = 0;
    /// y[t] = Σ_i w[i] x[t, i] for t < rows; row t of x starts at x + t * stride.
    void (*dot_float32)(const float* w, std::size_t count, const float* x, std::size_t stride, std::size_t rows,
                        float* y) = nullptr;
    /// The same for bfloat16 weights. x is split: a row's numbers 0, 2, 4, … come first, then 1, 3, 5, …
    void (*dot_bfloat16)(const std::uint16_t* w, std::size_t count, const float* x, std::size_t stride,
                         std::size_t rows, float* y) = nullptr;
    /// The same for bfloat16 weights and x as it is, bfloat16, too; nullptr where the machine has no dot product of
    /// bfloat16 pairs.
    void (*dot_pairs)(const std::uint16_t* w, std::size_t count, const std::uint16_t* x, std::size_t stride,
                      std::size_t rows, float* y) = nullptr;

    // The same sums, of dot_rows stored rows with one row of x: y[s] = Σ_i w[s, i] x[i]; row s of w starts at
    // w + s * stride.
    void (*side_by_side_float32)(const float* w, std::size_t stride, std::size_t count, const float* x,
                                 float* y) = nullptr;
    void (*side_by_side_bfloat16)(const std::uint16_t* w, std::size_t stride, std::size_t count, const float* x,
                                  float* y) = nullptr;
    void (*side_by_side_pairs)(const std::uint16_t* w, std::size_t stride, std::size_t count, const std::uint16_t* x,
                               float* y) = nullptr;

    /// float16 numbers as float32.
    void (*widen_float16)(const std::uint16_t* source, std::size_t count, float* target) = nullptr;

    TileKernel tile_float32{};
    TileKernel tile_bfloat16{};  // without a multiply where the machine has no dot product of bfloat16 pairs
};

/// The kernels that this machine runs, best first; never empty.
const std::vector<Kernels>& kernels_of_this_machine();

// One for each instruction set, whether this machine has it or not.
Kernels base_kernels();
#if defined(__x86_64__)
Kernels avx2_kernels();
Kernels avx512_kernels();
Kernels avx512_bf16_kernels();
#endif

}  // namespace gemma
