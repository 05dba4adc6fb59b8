// The tensors that a Gemma is made of: names and shapes, derived from its config.
#pragma once

#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/model/config.hpp"

#include <vector>

namespace gemma {

/// The parts that parameters are counted by.
enum class Part { embedding, attention, mlp, norm };

std::string_view to_string(Part part);

struct Parameter {
    TensorInfo info;  // the dtype is the config's
    Part part;
};

/// All tensors of a checkpoint with this config, in the order of the forward pass. There is no lm_head: the logits
/// use the embedding again. Their elements sum to 2,506,172,416 for Gemma 2B and to 8,537,680,896 for 7B.
std::vector<Parameter> parameters(const Config& config);

}  // namespace gemma
