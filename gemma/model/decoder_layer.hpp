// A decoder layer: attention, then the MLP, each reading a normalized copy of the residual stream and adding to it.
//
//   x = x + attention(rms_norm(x))      attention moves information between tokens
//   x = x + feed_forward(rms_norm(x))   the MLP works on each token alone
//
// The pre-norm arrangement: On Layer Normalization in the Transformer Architecture (Xiong et al. 2020).
//
// Trace points: those of its parts under .input_layernorm, .self_attn, .post_attention_layernorm and .mlp;
// .residual_attn [T, D] after the first sum; the scope itself [T, D] after the second.
#pragma once

#include "gemma/components/rope.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

namespace gemma {

/// x is the residual stream [T, D] of the tokens after those in `past`, to which their keys and values are added.
/// Returns [T, D].
Matrix decoder_layer(Matrix x, const LayerWeights& weights, const Rotation& rotation, float rms_norm_eps,
                     KeyValues& past, Trace trace = {}, Precision precision = Precision::float32);

}  // namespace gemma
