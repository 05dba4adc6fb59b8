// The exercise of lesson 09: a decoder layer from the library's parts.
#pragma once

#include "gemma/model/decoder_layer.hpp"

namespace exercise {

/// As gemma::decoder_layer. Shows, inside the scope of the trace: what rms_norm, attention and feed_forward show in
/// their scopes input_layernorm, self_attn, post_attention_layernorm and mlp; residual_attn [T, D] after the first sum;
/// and the output [T, D] under the name of the scope itself.
gemma::Matrix decoder_layer(gemma::Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation,
                            float rms_norm_eps, gemma::KeyValues& past, gemma::Trace trace);

}  // namespace exercise
