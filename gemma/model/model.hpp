// Gemma: tokens in, logits out.
//
//   x      = embedding(tokens) · √D
//   x      = decoder_layer_i(x)          for i = 0 … L - 1
//   x      = rms_norm(x)
//   logits = x Eᵀ                        with the embedding E again
//
// Gemma: Open Models Based on Gemini Research and Technology (Mesnard et al. 2024).
//
// Trace points: model.embed_tokens, model.embed_scaled, model.layers.i and all inside it, model.norm, lm_head [T, V].
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/model/kv_cache.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/precision.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"

#include <filesystem>
#include <vector>

namespace gemma {

class Model {
public:
    /// In bfloat16 precision weights of another type are rounded to bfloat16, which takes a copy of them.
    Model(const Config& config, Weights weights, Precision precision = Precision::float32);

    /// Opens a model directory in Hugging Face's layout; weights are mapped, not read. Throws an Error for whatever
    /// does not fit.
    explicit Model(const std::filesystem::path& directory, Precision precision = Precision::float32);

    const Config& config() const { return config_; }
    const Weights& weights() const { return weights_; }

    /// In which numbers it computes.
    Precision precision() const { return precision_; }

    /// The logits [T, V] that follow each of T tokens, at least one, that come after those in `cache`; adds them
    /// to it. Throws an Error, with the cache as it was, for a token outside the vocabulary, for more tokens than the
    /// cache has room for, and for a cache in bfloat16 where the model computes in float32.
    Matrix forward(const std::vector<int>& tokens, KVCache& cache, Trace trace = {}) const;

    /// The logits [1, V] that follow the last of T tokens: what generation needs, without the others' V · D products.
    Matrix forward_last(const std::vector<int>& tokens, KVCache& cache, Trace trace = {}) const;

    /// Adds T tokens to the cache and computes no logits: what reading the first pieces of a long prompt needs.
    void read(const std::vector<int>& tokens, KVCache& cache, Trace trace = {}) const;

private:
    Matrix residual_stream(const std::vector<int>& tokens, KVCache& cache, Trace trace) const;
    Matrix final_norm(const Matrix& x, Trace trace) const;

    Config config_;
    Weights weights_;
    Precision precision_;
};

}  // namespace gemma
