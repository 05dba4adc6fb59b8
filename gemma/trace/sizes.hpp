// The sizes that the shapes of a trace are made of, and what shape each of its tensors has for them.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/record.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace gemma {

/// The letters of gemma/tensor.hpp; 0 where a size is not known. A trace has S = T: all tokens in one pass.
struct TraceSizes {
    std::size_t T = 0, D = 0, H = 0, K = 0, d = 0, F = 0, V = 0, L = 0;
};

/// Those of a model that runs `tokens` tokens; 0 tokens: T is not known.
TraceSizes sizes_of(const Config& config, std::size_t tokens = 0);

/// What the shapes of a record with our names tell.
TraceSizes sizes_of(const Record& record);

/// The sizes of `known`, and of `others` where it knows none.
TraceSizes completed(TraceSizes known, const TraceSizes& others);

/// The shape of the tensor of this name; an axis of unknown size is 0. None for a name that a trace does not have.
std::optional<Shape> expected_shape(const std::string& name, const TraceSizes& sizes);

}  // namespace gemma
