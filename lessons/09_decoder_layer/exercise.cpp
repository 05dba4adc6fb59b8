// A decoder layer from the library's parts. Fill in the places marked "your code"; then
//
//   lessons/run 09 --exercise
//
// compares each tensor that is shown to the trace with the right one and names the first wrong one.
//
// The parts, each of which shows its own steps to the trace that it is given:
//
//   gemma::rms_norm(x, weight, eps, trace.scope("..."))                  [T, D]
//   gemma::attention(input, weights, rotation, past, trace.scope("...")) [T, D]
//   gemma::feed_forward(input, weights, trace.scope("..."))              [T, D]

#include "lessons/09_decoder_layer/exercise.hpp"

#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"

namespace exercise {

using gemma::Matrix;

Matrix decoder_layer(Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation, float rms_norm_eps,
                     gemma::KeyValues& past, gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1);

    // attention_input = rms_norm(x), with weights.input_layernorm, in the scope "input_layernorm"          [T, D]
    Matrix attention_input = xt::zeros<float>({T, D});
    // your code: attention_input = ...
    static_cast<void>(rms_norm_eps);

    // attention = attention(attention_input), with weights.self_attn, in the scope "self_attn"             [T, D]
    Matrix attention = xt::zeros<float>({T, D});
    // your code: attention = ...
    static_cast<void>(rotation);
    static_cast<void>(past);

    // x = x + attention: the sum starts from x itself, not from its normalized copy                        [T, D]
    // your code: x += ...
    trace("residual_attn", x);

    // mlp_input = rms_norm(x), with weights.post_attention_layernorm, in the scope of that name            [T, D]
    Matrix mlp_input = xt::zeros<float>({T, D});
    // your code: mlp_input = ...

    // mlp = feed_forward(mlp_input), with weights.mlp, in the scope "mlp"                                  [T, D]
    Matrix mlp = xt::zeros<float>({T, D});
    // your code: mlp = ...
    static_cast<void>(weights);

    // x = x + mlp                                                                                          [T, D]
    // your code: x += ...
    trace(x);
    return x;
}

}  // namespace exercise
