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

#include "gemma/linear/kernels/dot.inc"

using Broadcast = float;

GEMMA_INLINE float broadcast(const std::byte* number) { return load<float>(number); }

GEMMA_INLINE Lanes multiply_add(Lanes sum, Broadcast weight, Lanes column) { return sum + weight * column; }

#include "gemma/linear/kernels/tile.inc"

void widen_float16(const std::uint16_t* source, std::size_t count, float* target) {
    for (std::size_t i = 0; i < count; ++i) target[i] = float16_to_float(source[i]);
}

}  // namespace

Kernels base_kernels() {
    Kernels kernels;
    kernels.instructions = "plain C++";
    kernels.dot_rows = dot_rows;
    kernels.dot_float32 = dots_float32;
    kernels.dot_bfloat16 = dots_bfloat16;
    kernels.widen_float16 = widen_float16;
    kernels.tile_float32 = {lanes, tile_block, tiles};
    return kernels;
}

}  // namespace gemma
