#include "gemma/bench/components.hpp"

#include "gemma/bench/clock.hpp"
#include "gemma/checkpoint/random.hpp"
#include "gemma/components/geglu.hpp"
#include "gemma/components/mqa.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/text/generate.hpp"

#include <algorithm>
#include <utility>

namespace gemma::bench {

namespace {

// Numbers as they stand in a residual stream: [rows, columns].
Matrix random_rows(std::size_t rows, std::size_t columns, Precision precision) {
    Matrix x = Matrix::from_shape({rows, columns});
    random_numbers(0, 0, 0, x.size(), 1.0f, x.data());
    return rounded(precision, std::move(x));
}

// Calls a part of the forward pass and adds the seconds that it took.
template <typename Part>
auto timed(double& seconds, const Part& part) {
    const Clock clock;
    auto result = part();
    seconds += clock.seconds();
    return result;
}

// The layers over T tokens after those in the cache, and the last token's logits where they are asked for.
void time_pass(const Model& model, KVCache& cache, std::size_t T, bool logits, ComponentSeconds& seconds) {
    const Config& config = model.config();
    const Precision precision = model.precision();
    const float eps = config.rms_norm_eps;
    const Matrix x = random_rows(T, config.hidden_size, precision);
    const Rotation rotation = rope_rotation(cache.length(), T, config.head_dim, config.rope_theta);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        const LayerWeights& layer = model.weights().layers[i];
        const Matrix attention_input =
            timed(seconds.norms, [&] { return rms_norm(x, layer.input_layernorm, eps, {}, precision); });
        timed(seconds.attention,
              [&] { return attention(attention_input, layer.self_attn, rotation, cache.layer(i), {}, precision); });
        const Matrix mlp_input =
            timed(seconds.norms, [&] { return rms_norm(x, layer.post_attention_layernorm, eps, {}, precision); });
        timed(seconds.mlp, [&] { return feed_forward(mlp_input, layer.mlp, {}, precision); });
    }
    if (!logits) return;
    const Matrix last = random_rows(1, config.hidden_size, precision);
    const Matrix normalized =
        timed(seconds.norms, [&] { return rms_norm(last, model.weights().norm, eps, {}, precision); });
    timed(seconds.logits, [&] { return linear(normalized, model.weights().embed_tokens, precision); });
}

// The four linear maps of all attention layers over T tokens. In a pass of their own: right after attention the weights
// would be in the CPU's cache, where decoding does not find them.
void time_projections(const Model& model, std::size_t T, ComponentSeconds& seconds) {
    const Config& config = model.config();
    const Precision precision = model.precision();
    const Matrix x = random_rows(T, config.hidden_size, precision);
    const Matrix context = random_rows(T, config.num_attention_heads * config.head_dim, precision);
    for (const LayerWeights& layer : model.weights().layers) {
        const AttentionWeights& weights = layer.self_attn;
        for (const WeightMatrix& weight : {weights.q_proj, weights.k_proj, weights.v_proj}) {
            timed(seconds.projections, [&] { return linear(x, weight, precision); });
        }
        timed(seconds.projections, [&] { return linear(context, weights.o_proj, precision); });
    }
}

}  // namespace

ComponentSeconds time_prefill(const Model& model, KVCache& cache, std::size_t tokens) {
    ComponentSeconds seconds;
    cache.truncate(0);
    for (std::size_t first = 0; first < tokens; first += prefill_tokens) {
        const std::size_t count = std::min(prefill_tokens, tokens - first);
        const bool last = first + count == tokens;
        time_pass(model, cache, count, last, seconds);
        time_projections(model, count, seconds);
    }
    return seconds;
}

ComponentSeconds time_decode(const Model& model, KVCache& cache, std::size_t passes) {
    ComponentSeconds seconds;
    const std::size_t length = cache.length();
    for (std::size_t pass = 0; pass < passes; ++pass) {
        time_pass(model, cache, 1, true, seconds);
        time_projections(model, 1, seconds);
        cache.truncate(length);
    }
    for (double* part : {&seconds.attention, &seconds.projections, &seconds.mlp, &seconds.norms, &seconds.logits}) {
        *part /= static_cast<double>(passes);
    }
    return seconds;
}

}  // namespace gemma::bench
