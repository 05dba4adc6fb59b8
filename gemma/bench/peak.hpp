// How fast the machine can multiply and add: the ceiling of prefill.
//
// A loop of multiply-add instructions on registers alone, on all threads: no memory, no dependence that waits. A
// multiply-add counts as two operations, as everywhere. What a matrix product reaches is a share of this.
//
//   float32   a · b + c in each lane                     AVX-512, AVX2 with FMA; else vectors of four lanes
//   bfloat16  a₀ · b₀ + a₁ · b₁ + c in each lane         AVX512-BF16
//
// These are the instructions that the linear maps choose from (gemma/linear/kernels). Matrix units (Intel's AMX,
// Apple's) are used neither here nor there.
#pragma once

#include <optional>
#include <string>

namespace gemma::bench {

struct Peak {
    std::string instructions;  // "AVX-512"
    double operations;         // a second
};

/// Runs for about `seconds` on all threads (gemma::threads()), with the fastest instructions that this machine has.
Peak float32_peak(double seconds);

/// The same for dot products of bfloat16 numbers with float32 sums; none without AVX512-BF16.
std::optional<Peak> bfloat16_peak(double seconds);

}  // namespace gemma::bench
