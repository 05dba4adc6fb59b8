// AVX512-BF16: a lane multiplies a pair of bfloat16 numbers with another pair and adds both products to a float32 sum,
// so that a tile does twice the work of float32, and a dot a quarter of the instructions: stored weights and bfloat16
// activations are multiplied as they lie in memory. Everything else is that of AVX-512.
//
// Products of two bfloat16 are exact in float32. The instruction takes numbers below 2^-126 for zero.
#if defined(__x86_64__)

#include "gemma/dtype.hpp"
#include "gemma/linear/kernels/kernels.hpp"

#include <immintrin.h>
#include <algorithm>
#include <cstring>

#define GEMMA_TARGET __attribute__((target("avx2,fma,avx512f,avx512bf16")))
#define GEMMA_INLINE GEMMA_TARGET __attribute__((always_inline)) inline

namespace gemma {

namespace {

constexpr std::size_t lanes = 16, tile_vectors = 4, tile_block = tile_vectors * lanes;

#include "gemma/linear/kernels/vectors.inc"

using Pairs = __m512i;
using Broadcast = Pairs;

GEMMA_INLINE Pairs broadcast(const std::byte* pair) { return _mm512_set1_epi32(load<int>(pair)); }

GEMMA_INLINE Lanes multiply_add(Lanes sum, Pairs weight, Lanes column) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weight), reinterpret_cast<__m512bh>(column));
}

#include "gemma/linear/kernels/tile.inc"

// As dot.inc does it, but x is bfloat16, too.
template <std::size_t stored, std::size_t rows>
GEMMA_TARGET void dot_pairs(const std::uint16_t* w, std::size_t w_stride, std::size_t count, const std::uint16_t* x,
                            std::size_t x_stride, float* y) {
    constexpr std::size_t numbers = 2 * lanes, step = chains * numbers;
    Lanes sums[stored * rows][chains] = {};
    std::size_t i = 0;
    for (; i + step <= count; i += step) {
        for (std::size_t c = 0; c < chains; ++c) {
            const std::size_t first = i + c * numbers;
            for (std::size_t s = 0; s < stored; ++s) {
                const Pairs weight = load<Pairs>(w + s * w_stride + first);
                for (std::size_t t = 0; t < rows; ++t) {
                    Lanes& sum = sums[s * rows + t][c];
                    sum = multiply_add(sum, weight, load<Lanes>(x + t * x_stride + first));
                }
            }
        }
    }
#pragma GCC unroll 4
    for (std::size_t n = 0; n < stored * rows; ++n) y[n] = sum_of(sums[n]);
    for (std::size_t n = 0; n < stored * rows; ++n) {
        const std::uint16_t *weights = w + n / rows * w_stride, *of_x = x + n % rows * x_stride;
        for (std::size_t rest = i; rest < count; ++rest) {
            y[n] += bfloat16_to_float(weights[rest]) * bfloat16_to_float(of_x[rest]);
        }
    }
}

GEMMA_TARGET void dots_pairs(const std::uint16_t* w, std::size_t count, const std::uint16_t* x, std::size_t stride,
                             std::size_t rows, float* y) {
    if (rows == 1) return dot_pairs<1, 1>(w, 0, count, x, stride, y);
    if (rows == 2) return dot_pairs<1, 2>(w, 0, count, x, stride, y);
    if (rows == 3) return dot_pairs<1, 3>(w, 0, count, x, stride, y);
    dot_pairs<1, 4>(w, 0, count, x, stride, y);
}

GEMMA_TARGET void side_by_side_pairs(const std::uint16_t* w, std::size_t stride, std::size_t count,
                                     const std::uint16_t* x, float* y) {
    dot_pairs<4, 1>(w, stride, count, x, 0, y);
}

}  // namespace

Kernels avx512_bf16_kernels() {
    Kernels kernels = avx512_kernels();
    kernels.instructions = "AVX512-BF16";
    kernels.dot_pairs = dots_pairs;
    kernels.side_by_side_pairs = side_by_side_pairs;
    kernels.tile_bfloat16 = {lanes, tile_block, tiles};
    return kernels;
}

}  // namespace gemma

#endif
