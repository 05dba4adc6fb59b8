// The names of a trace: those of Hugging Face's module tree, so that PyTorch hooks give the same names; what has no
// module there gets a name beside it. In the order of the forward pass, with the letters of gemma/tensor.hpp:
//
//   model.embed_tokens, model.embed_scaled           T D                looked up; times √D
//   model.layers.i
//     .input_layernorm.mean_square, .normalized, -   T; T D; T D        the norm's parts and its output
//     .self_attn.q_proj, .k_proj, .v_proj            T H d, T K d       before rotation
//     .self_attn.q_rope, .k_rope                     T H d, T K d       after rotation
//     .self_attn.scores, .probs                      H T S              scaled, before the mask; after softmax
//     .self_attn.context, .o_proj                    T H d, T D         weighted values; attention's output
//     .residual_attn                                 T D                after the first sum
//     .post_attention_layernorm (as above)           T; T D; T D        the norm before the MLP
//     .mlp.gate_proj, .act_fn, .up_proj, .gated      T F                gate, gelu(gate), up, their product
//     .mlp.down_proj                                 T D                the MLP's output
//     -                                              T D                the layer's output, after the second sum
//   model.norm (as above)                            T; T D; T D        the final norm
//   lm_head                                          T V                logits
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace gemma {

/// The axis that counts the tokens of the call: 1 for scores and probs [H, T, S], 0 for all others.
std::size_t token_axis(std::string_view name, const Shape& shape);

/// Whether these are attention scores before the mask, which have numbers for tokens that the mask takes away.
bool is_scores(std::string_view name);

/// A name inside a layer: "model.layers.10.mlp.gated" is part "mlp.gated" of layer 10, and "model.layers.10" its
/// output, the part "".
struct LayerName {
    std::size_t layer;
    std::string_view part;  // of the name that was asked for
};

/// None for a name outside of the layers.
std::optional<LayerName> layer_name(std::string_view name);

/// The parts of a layer in the order of the forward pass, without its output.
std::vector<std::string_view> layer_part_names();

/// What names sort by to be in the order of the forward pass: stage, layer, part of the layer, name. Layer 2 comes
/// before layer 10. Unknown names of a layer come before its output; other unknown names come last.
using ForwardOrder = std::tuple<std::size_t, std::size_t, std::size_t, std::string>;
ForwardOrder forward_order(const std::string& name);

/// Sorts names by it.
void sort_in_forward_order(std::vector<std::string>& names);

/// Whether a name fits a pattern: * stands for any text, dots included, and ? for any one character.
bool matches(const std::string& name, const std::string& pattern);

}  // namespace gemma
