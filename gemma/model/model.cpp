#include "gemma/model/model.hpp"

#include "gemma/components/embedding.hpp"
#include "gemma/components/rms_norm.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/error.hpp"
#include "gemma/model/decoder_layer.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace gemma {

namespace {

Model load_model(const std::filesystem::path& directory, Precision precision) {
    const Config config = read_config(directory / "config.json");
    return {config, load_weights(std::make_shared<const Checkpoint>(directory), config), precision};
}

}  // namespace

Model::Model(const Config& config, Weights weights, Precision precision)
    : config_(config),
      weights_(precision == Precision::bfloat16 ? in_bfloat16(std::move(weights)) : std::move(weights)),
      precision_(precision) {}

Model::Model(const std::filesystem::path& directory, Precision precision) : Model(load_model(directory, precision)) {}

Matrix Model::residual_stream(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const std::size_t past = cache.length(), T = tokens.size();
    if (T == 0) fail("there are no tokens, expected at least one");
    if (past + T > cache.capacity()) {
        fail("{} tokens after {} are over the context, expected at most {} in all", T, past, cache.capacity());
    }
    if (precision_ == Precision::float32 && cache.precision() != precision_) {
        fail("the cache keeps {} numbers, expected the {} that the model computes in", to_string(cache.precision()),
             to_string(precision_));
    }
    try {
        Matrix x = embed(tokens, weights_.embed_tokens, trace, precision_);
        const Rotation rotation = rope_rotation(past, T, config_.head_dim, config_.rope_theta);
        for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) {
            x = decoder_layer(std::move(x), weights_.layers[i], rotation, config_.rms_norm_eps, cache.layer(i),
                              trace.scope("layers", i), precision_);
        }
        return x;
    } catch (...) {
        cache.truncate(past);
        throw;
    }
}

Matrix Model::final_norm(const Matrix& x, Trace trace) const {
    return rms_norm(x, weights_.norm, config_.rms_norm_eps, trace.scope("model").scope("norm"), precision_);
}

Matrix Model::forward(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const Matrix x = final_norm(residual_stream(tokens, cache, trace.scope("model")), trace);
    Matrix logits = linear(x, weights_.embed_tokens, precision_);
    trace("lm_head", logits);
    return logits;
}

Matrix Model::forward_last(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const Matrix x = final_norm(residual_stream(tokens, cache, trace.scope("model")), trace);
    const std::size_t D = x.shape(1), V = weights_.embed_tokens.rows;
    Matrix logits = Matrix::from_shape({1, V});
    linear({&x(x.shape(0) - 1, 0), 1, D, D}, weights_.embed_tokens, {logits.data(), 1, V, V}, precision_);
    trace("lm_head", logits);
    return logits;
}

void Model::read(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const Matrix x = residual_stream(tokens, cache, trace.scope("model"));
    if (trace.on()) final_norm(x, trace);  // nothing follows from it here, but whoever watches sees it
}

}  // namespace gemma
