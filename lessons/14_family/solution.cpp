// A solution of the last exercise: Gemma's forward pass, from the solutions of the lessons before.

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

Tensor3 project_to_heads(const Matrix& x, const gemma::WeightMatrix& weight, std::size_t d) {
    const std::size_t T = x.shape(0), heads = weight.rows / d;
    const Matrix y = gemma::linear(x, weight);
    Tensor3 result = xt::zeros<float>({T, heads, d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t i = 0; i < d; ++i) result(t, h, i) = y(t, h * d + i);
        }
    }
    return result;
}

Matrix heads_side_by_side(const Tensor3& heads) {
    const std::size_t T = heads.shape(0), H = heads.shape(1), d = heads.shape(2);
    Matrix result = xt::zeros<float>({T, H * d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < H; ++h) {
            for (std::size_t i = 0; i < d; ++i) result(t, h * d + i) = heads(t, h, i);
        }
    }
    return result;
}

Matrix self_attention(const Matrix& x, const gemma::AttentionWeights& weights, const gemma::Rotation& rotation,
                      std::size_t d, gemma::Trace trace) {
    Tensor3 query = project_to_heads(x, weights.q_proj, d);
    trace("q_proj", query);
    Tensor3 key = project_to_heads(x, weights.k_proj, d);
    trace("k_proj", key);
    Tensor3 value = project_to_heads(x, weights.v_proj, d);
    trace("v_proj", value);

    query = exercise::rope(query, rotation);
    trace("q_rope", query);
    key = exercise::rope(key, rotation);
    trace("k_rope", key);

    const Tensor3 context = exercise::attention(query, key, value, trace);
    Matrix output = gemma::linear(heads_side_by_side(context), weights.o_proj);
    trace("o_proj", output);
    return output;
}

Matrix layer(Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation, float eps, std::size_t d,
             gemma::Trace trace) {
    const Matrix attention_input = exercise::rms_norm(x, weights.input_layernorm, eps, trace.scope("input_layernorm"));
    x += self_attention(attention_input, weights.self_attn, rotation, d, trace.scope("self_attn"));
    trace("residual_attn", x);

    const Matrix mlp_input =
        exercise::rms_norm(x, weights.post_attention_layernorm, eps, trace.scope("post_attention_layernorm"));
    x += exercise::feed_forward(mlp_input, weights.mlp, trace.scope("mlp"));
    trace(x);
    return x;
}

}  // namespace

Matrix forward(const std::vector<int>& tokens, const gemma::Config& config, const gemma::Weights& weights,
               gemma::Trace trace) {
    const std::size_t T = tokens.size(), D = config.hidden_size;

    Matrix x = xt::zeros<float>({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        gemma::copy_row(weights.embed_tokens, static_cast<std::size_t>(tokens[t]), &x(t, 0));
    }
    trace("model.embed_tokens", x);

    x *= std::sqrt(static_cast<float>(D));
    trace("model.embed_scaled", x);

    const gemma::Rotation rotation = exercise::rope_rotation(0, T, config.head_dim, config.rope_theta);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        x = layer(x, weights.layers[i], rotation, config.rms_norm_eps, config.head_dim,
                  trace.scope("model").scope("layers", i));
    }
    return exercise::logits(x, weights.norm, config.rms_norm_eps, weights.embed_tokens, trace);
}

}  // namespace exercise
