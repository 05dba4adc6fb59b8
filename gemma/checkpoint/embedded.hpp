// Where the small model lies that comes with the library: a Gemma of 2.9 million parameters, trained for the lessons.
#pragma once

#include <filesystem>

namespace gemma {

/// The model directory of the small model: the environment variable GEMMA_NANO where it is set; else beside the
/// installed library; else in the source tree. Throws an Error when it is in none of them.
std::filesystem::path embedded_model();

/// The small model tuned to chat: the folder "instruct" in it.
std::filesystem::path embedded_instruct_model();

}  // namespace gemma
