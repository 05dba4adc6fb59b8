#include "gemma/model/decoder_layer.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/parallel.hpp"

namespace gemma {

namespace {

void add(Matrix& x, const Matrix& y, Precision precision) {
    parallel_for(x.size(), 1 << 14, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) x.data()[i] += y.data()[i];
        round_to(precision, x.data() + first, last - first);
    });
}

}  // namespace

Matrix decoder_layer(Matrix x, const LayerWeights& weights, const Rotation& rotation, float rms_norm_eps,
                     KeyValues& past, Trace trace, Precision precision) {
    const Matrix attention_input =
        rms_norm(x, weights.input_layernorm, rms_norm_eps, trace.scope("input_layernorm"), precision);
    add(x, attention(attention_input, weights.self_attn, rotation, past, trace.scope("self_attn"), precision),
        precision);
    trace("residual_attn", x);

    const Matrix mlp_input =
        rms_norm(x, weights.post_attention_layernorm, rms_norm_eps, trace.scope("post_attention_layernorm"), precision);
    add(x, feed_forward(mlp_input, weights.mlp, trace.scope("mlp"), precision), precision);
    trace(x);
    return x;
}

}  // namespace gemma
