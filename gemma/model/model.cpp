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

Model::Model(const Config& config, Weights weights) : config_(config), weights_(std::move(weights)) {}

Model::Model(const std::filesystem::path& directory)
    : config_(read_config(directory / "config.json")),
      weights_(load_weights(std::make_shared<const Checkpoint>(directory), config_)) {}

Matrix Model::hidden_states(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const std::size_t past = cache.length(), T = tokens.size();
    if (T == 0) fail("there are no tokens, expected at least one");
    if (past + T > cache.capacity()) {
        fail("{} tokens after {} are over the context, expected at most {} in all", T, past, cache.capacity());
    }
    try {
        Matrix x = embed(tokens, weights_.embed_tokens, trace);
        const Rotation rotation = rope_rotation(past, T, config_.head_dim, config_.rope_theta);
        for (std::size_t i = 0; i < config_.num_hidden_layers; ++i) {
            x = decoder_layer(std::move(x), weights_.layers[i], rotation, config_.rms_norm_eps, cache.layer(i),
                              trace.scope("layers", i));
        }
        return rms_norm(x, weights_.norm, config_.rms_norm_eps, trace.scope("norm"));
    } catch (...) {
        cache.truncate(past);
        throw;
    }
}

Matrix Model::forward(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const Matrix x = hidden_states(tokens, cache, trace.scope("model"));
    Matrix logits = linear(x, weights_.embed_tokens);
    trace("lm_head", logits);
    return logits;
}

Matrix Model::forward_last(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    const Matrix x = hidden_states(tokens, cache, trace.scope("model"));
    const std::size_t D = x.shape(1), V = weights_.embed_tokens.rows;
    Matrix logits = Matrix::from_shape({1, V});
    linear({&x(x.shape(0) - 1, 0), 1, D, D}, weights_.embed_tokens, {logits.data(), 1, V, V});
    trace("lm_head", logits);
    return logits;
}

void Model::read(const std::vector<int>& tokens, KVCache& cache, Trace trace) const {
    hidden_states(tokens, cache, trace.scope("model"));
}

}  // namespace gemma
