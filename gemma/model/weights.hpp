// The weights of a Gemma, as stored: views of a mapped checkpoint.
#pragma once

#include "gemma/checkpoint/checkpoint.hpp"
#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/linear/linear.hpp"
#include "gemma/model/config.hpp"
#include "gemma/tensor.hpp"

#include <memory>
#include <vector>

namespace gemma {

/// One decoder layer's.
struct LayerWeights {
    Vector input_layernorm;  // [D]
    AttentionWeights self_attn;
    Vector post_attention_layernorm;  // [D]
    FeedForwardWeights mlp;
};

/// The matrices view the checkpoint; the norms' weights, a few thousand numbers, are float32 copies.
struct Weights {
    WeightMatrix embed_tokens;  // [V, D], also what turns hidden states into logits
    std::vector<LayerWeights> layers;
    Vector norm;  // [D]

    std::shared_ptr<const void> storage;  // keeps alive what the matrices view
};

/// Takes the tensors that the config asks for; others are ignored. Throws an Error that names the tensor when one is
/// missing, does not have the shape that follows from the config, or is no floating-point tensor, and when there is an
/// lm_head that is not the embedding once more.
Weights load_weights(const std::shared_ptr<const Checkpoint>& checkpoint, const Config& config);

/// The same weights as bfloat16 numbers: what is not stored so is rounded, into memory of its own.
Weights in_bfloat16(Weights weights);

}  // namespace gemma
