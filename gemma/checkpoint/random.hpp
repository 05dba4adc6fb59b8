// A random checkpoint: full-size work without real weights.
//
//   bits  = hash(seed, tensor, i)                 splitmix64: 64 bits from a counter
//   value = (a + b + c + d - 2·65535) · scale     a … d: the four 16-bit numbers in the bits
//
// The sum of four uniform numbers is close to a normal one (Irwin-Hall; it ends at ±3.46 standard deviations) and is
// made of whole numbers only, so it comes out the same on every machine, which the logarithms of a true normal one
// would not.
//
// Source: Fast Splittable Pseudorandom Number Generators (Steele, Lea, Flood 2014).
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/model/config.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace gemma {

/// Called with the bytes written so far and the bytes in all. What it throws ends the writing.
using Progress = std::function<void(std::size_t done, std::size_t total)>;

/// Writes `count` random numbers of mean 0 and the given standard deviation: numbers `first`, `first` + 1, … of the
/// stream that belongs to a seed and a tensor.
void random_numbers(std::uint64_t seed, std::uint64_t tensor, std::uint64_t first, std::size_t count,
                    float standard_deviation, float* target);

/// Writes a model directory in Hugging Face's layout (config.json, and model.safetensors or, over 4 GB, shards with
/// their index) whose weights are independent random numbers: standard deviation 1/sqrt(in) for the linear maps and
/// the embedding (so that activations keep their size through the layers), 0.1 for the norms. The same seed gives the
/// same numbers on every machine, and in every dtype up to rounding. Writes in a stream: needs a few MB of memory for
/// any size. The directory must be new or empty, in a folder that exists; it takes its name when all of it is written.
/// Throws an Error when it holds something, cannot be written, or has too little room; nothing is left behind then.
void write_random_checkpoint(const Config& config, const std::filesystem::path& directory, std::uint64_t seed,
                             DType dtype, const Progress& progress = {});

}  // namespace gemma
