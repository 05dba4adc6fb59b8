// What feeds what: for each name of a trace the tensors that it is computed from, and how, in a few words.
//
//   model.layers.0.mlp.gated  <-  model.layers.0.mlp.act_fn, model.layers.0.mlp.up_proj      gelu(gate) · up
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

/// One step of the forward pass.
struct Step {
    std::vector<std::string> inputs;  // names; none for the first tensor, which the tokens feed
    std::string_view formula;         // "gelu(gate) · up"; empty for a name that a trace does not have
};

/// The step that computes the tensor of this name in a model of so many layers.
Step step_of(const std::string& name, std::size_t layers);

}  // namespace gemma
