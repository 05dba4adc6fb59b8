// AVX512-BF16: a lane multiplies a pair of bfloat16 numbers with another pair and adds both products to a float32 sum,
// so that a tile does twice the work of float32. Everything else is that of AVX-512.
//
// Products of two bfloat16 are exact in float32. The instruction takes numbers below 2^-126 for zero.
#if defined(__x86_64__)

#include "gemma/linear/kernels/kernels.hpp"

#include <immintrin.h>
#include <algorithm>
#include <cstring>

#define GEMMA_TARGET __attribute__((target("avx2,fma,avx512f,avx512bf16")))
#define GEMMA_INLINE GEMMA_TARGET __attribute__((always_inline)) inline

namespace gemma {

namespace {

constexpr std::size_t lanes = 16, tile_vectors = 4, tile_block = tile_vectors * lanes;

using Lanes = __m512;
using Broadcast = __m512i;

template <typename Vector>
GEMMA_INLINE Vector load(const void* source) {
    Vector vector;
    std::memcpy(&vector, source, sizeof vector);
    return vector;
}

GEMMA_INLINE Broadcast broadcast(const std::byte* pair) { return _mm512_set1_epi32(load<int>(pair)); }

GEMMA_INLINE Lanes multiply_add(Lanes sum, Broadcast weight, Lanes column) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(weight), reinterpret_cast<__m512bh>(column));
}

#include "gemma/linear/kernels/tile.inc"

}  // namespace

Kernels avx512_bf16_kernels() {
    Kernels kernels = avx512_kernels();
    kernels.instructions = "AVX512-BF16";
    kernels.tile_bfloat16 = {lanes, tile_block, tiles};
    return kernels;
}

}  // namespace gemma

#endif
