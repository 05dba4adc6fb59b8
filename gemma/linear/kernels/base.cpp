// Any machine: vectors of four lanes, which x86-64 (SSE2, 16 registers) and arm64 (NEON, 32 registers) both have. Where
// a machine has none, the compiler makes plain code of them.
#include "gemma/dtype.hpp"
#include "gemma/linear/kernels/kernels.hpp"

#include <algorithm>
#include <cstring>

#define GEMMA_TARGET
#define GEMMA_INLINE __attribute__((always_inline)) inline

namespace gemma {

namespace {

#if defined(__aarch64__)
constexpr std::size_t vector_registers = 32;
#else
constexpr std::size_t vector_registers = 16;
#endif
constexpr std::size_t lanes = 4, tile_vectors = vector_registers >= 32 ? 4 : 2, tile_block = tile_vectors * lanes;

#include "gemma/linear/kernels/vectors.inc"

void widen_float16(const std::uint16_t* source, std::size_t count, float* target) {
    for (std::size_t i = 0; i < count; ++i) target[i] = float16_to_float(source[i]);
}

#include "gemma/linear/kernels/float32.inc"

}  // namespace

Kernels base_kernels() { return float32_kernels("plain C++"); }

}  // namespace gemma
