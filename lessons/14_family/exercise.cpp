// Gemma's forward pass, from your own parts. Fill in the places marked "your code"; then
//
//   lessons/run 14 --exercise
//
// compares each tensor, in the order of the forward pass, with the right one and names the first wrong one: first on a
// tiny Gemma of random numbers, then on the small model with the official numbers. Your parts show their own steps:
// give each the scope that is named beside it, and write exercise:: before their names, since the library has functions
// of the same names. Finish the exercises of lessons 03, 05, 06, 07 and 10 first.

#include "lessons/14_family/exercise.hpp"

#include "lessons/03_geglu/exercise.hpp"
#include "lessons/05_rope/exercise.hpp"
#include "lessons/06_mqa/exercise.hpp"
#include "lessons/07_rms_norm/exercise.hpp"
#include "lessons/10_forward_pass/exercise.hpp"

#include <cmath>

namespace exercise {

using gemma::Matrix;
using gemma::Tensor3;

namespace {

// x [T, D] times a matrix, read as heads: [T, heads, d]. The rows of gemma::linear(x, weight) are the heads of a token
// side by side.
Tensor3 project_to_heads(const Matrix& x, const gemma::WeightMatrix& weight, std::size_t d) {
    const std::size_t T = x.shape(0), heads = weight.rows / d;
    Tensor3 result = xt::zeros<float>({T, heads, d});
    // your code: result(t, h, i) = y(t, h * d + i) with y = gemma::linear(x, weight)
    static_cast<void>(x);
    return result;
}

// Self-attention with its four matrices, in the scope of its trace.
Matrix self_attention(const Matrix& x, const gemma::AttentionWeights& weights, const gemma::Rotation& rotation,
                      std::size_t d, gemma::Trace trace) {
    const std::size_t T = x.shape(0), D = x.shape(1);

    Tensor3 query = project_to_heads(x, weights.q_proj, d);  // [T, H, d]
    trace("q_proj", query);
    Tensor3 key = project_to_heads(x, weights.k_proj, d);  // [T, K, d]
    trace("k_proj", key);
    Tensor3 value = project_to_heads(x, weights.v_proj, d);  // [T, K, d]
    trace("v_proj", value);

    // your code: turn query and key with exercise::rope (without a trace: its steps have no names here)
    static_cast<void>(rotation);
    trace("q_rope", query);
    trace("k_rope", key);

    // context [T, H, d] = exercise::attention(query, key, value, trace): it shows scores, probs and context
    // your code: the context; then its heads side by side, a matrix [T, H·d]

    // o_proj = context Woᵀ                                                  [T, D]
    Matrix output = xt::zeros<float>({T, D});
    // your code: gemma::linear with weights.o_proj
    trace("o_proj", output);
    return output;
}

// A layer, as in lesson 09, of your own parts, in the scope of its trace.
Matrix layer(Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation, float eps, std::size_t d,
             gemma::Trace trace) {
    // your code: x += self_attention(exercise::rms_norm(x)); scopes "input_layernorm" and "self_attn"
    static_cast<void>(weights);
    static_cast<void>(rotation);
    static_cast<void>(eps);
    static_cast<void>(d);
    static_cast<void>(&self_attention);
    trace("residual_attn", x);

    // your code: x += exercise::feed_forward(exercise::rms_norm(x)); scopes "post_attention_layernorm" and "mlp"
    trace(x);
    return x;
}

}  // namespace

Matrix forward(const std::vector<int>& tokens, const gemma::Config& config, const gemma::Weights& weights,
               gemma::Trace trace) {
    const std::size_t T = tokens.size(), D = config.hidden_size;

    // x[t] = row tokens[t] of the embedding                                 [T, D]
    Matrix x = xt::zeros<float>({T, D});
    // your code: gemma::copy_row(weights.embed_tokens, row, target) for each token
    trace("model.embed_tokens", x);

    // x = x · √D
    // your code: scale x
    trace("model.embed_scaled", x);

    // The layers, one after the other; the rotation of positions 0 … T - 1 is the same for all of them.
    gemma::Rotation rotation;
    // your code: exercise::rope_rotation, with config.head_dim and config.rope_theta
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        x = layer(x, weights.layers[i], rotation, config.rms_norm_eps, config.head_dim,
                  trace.scope("model").scope("layers", i));
    }

    // logits = exercise::logits(x): the final norm and the embedding        [T, V]
    Matrix result = xt::zeros<float>({T, config.vocab_size});
    // your code: exercise::logits, with weights.norm and weights.embed_tokens; it takes the trace as it is
    return result;
}

}  // namespace exercise
