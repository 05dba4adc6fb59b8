// AVX-512: 32 registers of 16 lanes.
#if defined(__x86_64__)

#include "gemma/dtype.hpp"
#include "gemma/linear/kernels/kernels.hpp"

#include <immintrin.h>
#include <algorithm>
#include <cstring>

#define GEMMA_TARGET __attribute__((target("avx2,fma,avx512f")))
#define GEMMA_INLINE GEMMA_TARGET __attribute__((always_inline)) inline

namespace gemma {

namespace {

constexpr std::size_t lanes = 16, vector_registers = 32, tile_vectors = 4, tile_block = tile_vectors * lanes;

#include "gemma/linear/kernels/vectors.inc"

GEMMA_TARGET void widen_float16(const std::uint16_t* source, std::size_t count, float* target) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        _mm512_storeu_ps(target + i, _mm512_maskz_cvtph_ps(0xffff, load<__m256i>(source + i)));
    for (; i < count; ++i) target[i] = float16_to_float(source[i]);
}

#include "gemma/linear/kernels/float32.inc"

}  // namespace

Kernels avx512_kernels() { return float32_kernels("AVX-512"); }

}  // namespace gemma

#endif
