// Checks the exercise of lesson 09.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/model/model.hpp"
#include "lessons/09_decoder_layer/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <functional>
#include <utility>

namespace {

using gemma::Matrix;
using gemma::Trace;

using Layer =
    std::function<Matrix(Matrix, const gemma::LayerWeights&, const gemma::Rotation&, float, gemma::KeyValues&, Trace)>;

// `past` tokens go through the layer unseen, then the others with the trace.
void run(const Layer& layer, const gemma::LayerWeights& weights, const gemma::Config& config, std::size_t past,
         const Matrix& x, Trace trace) {
    const std::size_t T = x.shape(0), d = config.head_dim;
    gemma::KeyValues cache(config.num_key_value_heads, past + T, d);
    if (past > 0) {
        const Matrix before = lesson::Random(1).normal<2>({past, x.shape(1)});
        gemma::decoder_layer(before, weights, gemma::rope_rotation(0, past, d), config.rms_norm_eps, cache);
    }
    layer(x, weights, gemma::rope_rotation(past, T, d), config.rms_norm_eps, cache, trace.scope("layer"));
}

Matrix right_layer(Matrix x, const gemma::LayerWeights& weights, const gemma::Rotation& rotation, float eps,
                   gemma::KeyValues& past, Trace trace) {
    return gemma::decoder_layer(std::move(x), weights, rotation, eps, past, trace);
}

void in_a_model(const gemma::Model& model, const std::vector<int>& tokens, const gemma::Record& clean, Trace trace) {
    const gemma::Config& config = model.config();
    const std::size_t T = tokens.size();
    gemma::KeyValues cache(config.num_key_value_heads, T, config.head_dim);
    exercise::decoder_layer(lesson::tensor_of<2>(clean, "model.embed_scaled"), model.weights().layers[0],
                            gemma::rope_rotation(0, T, config.head_dim, config.rope_theta), config.rms_norm_eps, cache,
                            trace.scope("model.layers.0"));
}

}  // namespace

int main() {
    const gemma::Model model(gemma::embedded_model());
    const gemma::Config& config = model.config();
    const std::size_t D = config.hidden_size;
    lesson::Random random(9);
    const Matrix five = random.normal<2>({5, D}, 2.0), one = random.normal<2>({1, D}, 2.0);

    const auto trial = [&](const std::string& input, const gemma::LayerWeights& weights, std::size_t past,
                           const Matrix& x) {
        return lesson::Trial{input, [&, past](Trace trace) { run(right_layer, weights, config, past, x, trace); },
                             [&, past](Trace trace) { run(exercise::decoder_layer, weights, config, past, x, trace); }};
    };

    // With zeros in o_proj and down_proj the layer is the identity.
    const Matrix no_attention = xt::zeros<float>({D, model.weights().layers[0].self_attn.o_proj.columns});
    const Matrix no_mlp = xt::zeros<float>({D, config.intermediate_size});
    gemma::LayerWeights zero = model.weights().layers[0];
    zero.self_attn.o_proj = gemma::WeightMatrix::of(no_attention);
    zero.mlp.down_proj = gemma::WeightMatrix::of(no_mlp);
    const lesson::Trial identity{"o_proj and down_proj are zero: x comes out as it went in",
                                 [&](Trace trace) {
                                     Matrix x = five;
                                     trace.scope("layer")("residual_attn", x);
                                     trace("layer", x);
                                 },
                                 [&](Trace trace) { run(exercise::decoder_layer, zero, config, 0, five, trace); }};

    return lesson::check_exercise(
        "09_decoder_layer",
        {trial("the small model's layer 0, 5 tokens", model.weights().layers[0], 0, five),
         trial("its layer 1, 1 token after 3 in the cache", model.weights().layers[1], 3, one), identity},
        in_a_model);
}
