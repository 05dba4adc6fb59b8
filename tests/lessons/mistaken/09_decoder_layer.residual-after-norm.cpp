// Each sum starts from what the norm gave, and not from what it read.
#include "lessons/09_decoder_layer/exercise.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"

gemma::Matrix exercise::decoder_layer(gemma::Matrix x, const gemma::LayerWeights& weights,
                                      const gemma::Rotation& rotation, float eps, gemma::KeyValues& past,
                                      gemma::Trace trace) {
    x = gemma::rms_norm(x, weights.input_layernorm, eps, trace.scope("input_layernorm"));
    x += gemma::attention(x, weights.self_attn, rotation, past, trace.scope("self_attn"));
    trace("residual_attn", x);
    x = gemma::rms_norm(x, weights.post_attention_layernorm, eps, trace.scope("post_attention_layernorm"));
    x += gemma::feed_forward(x, weights.mlp, trace.scope("mlp"));
    trace(x);
    return x;
}
