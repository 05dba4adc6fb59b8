// AVX2 with fused multiply-adds: 16 registers of 8 lanes.
#if defined(__x86_64__)

#include "gemma/dtype.hpp"
#include "gemma/linear/kernels/kernels.hpp"

#include <immintrin.h>
#include <algorithm>
#include <cstring>

#define GEMMA_TARGET __attribute__((target("avx2,fma,f16c")))
#define GEMMA_INLINE GEMMA_TARGET __attribute__((always_inline)) inline

namespace gemma {

namespace {

constexpr std::size_t lanes = 8, vector_registers = 16, tile_vectors = 2, tile_block = tile_vectors * lanes;

#include "gemma/linear/kernels/vectors.inc"

GEMMA_TARGET void widen_float16(const std::uint16_t* source, std::size_t count, float* target) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) _mm256_storeu_ps(target + i, _mm256_cvtph_ps(load<__m128i>(source + i)));
    for (; i < count; ++i) target[i] = float16_to_float(source[i]);
}

#include "gemma/linear/kernels/float32.inc"

}  // namespace

Kernels avx2_kernels() { return float32_kernels("AVX2"); }

}  // namespace gemma

#endif
