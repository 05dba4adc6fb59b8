// A solution of lesson 09's exercise.

#include "lessons/09_decoder_layer/exercise.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"

namespace exercise {

using gemma::Matrix;

Matrix decoder_layer(Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation, float rms_norm_eps,
                     gemma::KeyValues& past, gemma::Trace trace) {
    const Matrix attention_input =
        gemma::rms_norm(x, weights.input_layernorm, rms_norm_eps, trace.scope("input_layernorm"));
    x += gemma::attention(attention_input, weights.self_attn, rotation, past, trace.scope("self_attn"));
    trace("residual_attn", x);

    const Matrix mlp_input =
        gemma::rms_norm(x, weights.post_attention_layernorm, rms_norm_eps, trace.scope("post_attention_layernorm"));
    x += gemma::feed_forward(mlp_input, weights.mlp, trace.scope("mlp"));
    trace(x);
    return x;
}

}  // namespace exercise
