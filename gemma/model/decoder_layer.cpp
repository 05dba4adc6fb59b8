#include "gemma/model/decoder_layer.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"

namespace gemma {

namespace {

void add(Matrix& x, const Matrix& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] += y.data()[i];
}

}  // namespace

Matrix decoder_layer(Matrix x, const LayerWeights& weights, const Rotation& rotation, float rms_norm_eps,
                     KeyValues& past, Trace trace) {
    const Matrix attention_input = rms_norm(x, weights.input_layernorm, rms_norm_eps, trace.scope("input_layernorm"));
    add(x, attention(attention_input, weights.self_attn, rotation, past, trace.scope("self_attn")));
    trace("residual_attn", x);

    const Matrix mlp_input =
        rms_norm(x, weights.post_attention_layernorm, rms_norm_eps, trace.scope("post_attention_layernorm"));
    add(x, feed_forward(mlp_input, weights.mlp, trace.scope("mlp")));
    trace(x);
    return x;
}

}  // namespace gemma
