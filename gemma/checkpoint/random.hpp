// A random checkpoint: full-size work without real weights.
#pragma once

#include "gemma/dtype.hpp"
#include "gemma/model/config.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>

namespace gemma {

/// Called with the bytes written so far and the bytes in all.
using Progress = std::function<void(std::size_t done, std::size_t total)>;

/// Writes a model directory in Hugging Face's layout (config.json, and model.safetensors or, over 4 GB, shards with
/// their index) whose weights are independent normal numbers: standard deviation 1/sqrt(in) for the linear maps and
/// the embedding (so that activations keep their size through the layers), 0.1 for the norms. The same seed gives the
/// same numbers on every machine. Writes in a stream: needs a few MB of memory for any size.
/// Throws an Error when the directory already holds a model, cannot be written, or has too little room.
void write_random_checkpoint(const Config& config, const std::filesystem::path& directory, std::uint64_t seed,
                             DType dtype, const Progress& progress = {});

}  // namespace gemma
