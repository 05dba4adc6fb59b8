// What ports of Gemma got wrong: known mistakes, each by name, and the forward pass with any of them.
//
//   Matrix logits = forward_with({"gelu-erf"}, model, tokens);
//
// The clean components know nothing of them. A mistake is an edit of a trace point: from what the pass has shown so far
// it computes the tensor in the mistaken way, and what follows is computed from that. Or it changes the tokens.
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <string>
#include <vector>

namespace gemma {

struct Mistake {
    std::string name;      // "gelu-erf"
    std::string what;      // a phrase: "GELU by erf, x Φ(x), in place of its tanh form"
    std::string shows_at;  // where it shows first: "model.layers.0.mlp.act_fn"; "tokens" for those of the prompt
    std::string source;    // where it is known from: who did it, or a paper or model that does it so on purpose
};

/// All of them, in the order of the forward pass.
const std::vector<Mistake>& known_mistakes();

/// Throws an Error for a name that none of them has.
const Mistake& find_mistake(const std::string& name);

/// The tokens that a program with these mistakes would make of the right ones.
std::vector<int> mistaken_tokens(const std::vector<std::string>& mistakes, std::vector<int> tokens);

/// Whether two mistakes can be made together: not when both compute the same tensor, each in its own way.
bool can_meet(const std::string& mistake, const std::string& other);

/// The logits [T, V] of one pass over all tokens, the right ones, in the model's precision, with the mistakes; none:
/// the clean pass. `watcher` sees each tensor as the mistaken program computes it; what it throws ends the pass. Throws
/// an Error for an unknown name.
Matrix forward_with(const std::vector<std::string>& mistakes, const Model& model, const std::vector<int>& tokens,
                    Observer* watcher = nullptr);

}  // namespace gemma
