// A Gemma small enough for a test, with random weights, in memory: no files, and the same numbers on every machine.
#pragma once

#include "gemma/linear/linear.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/model.hpp"
#include "gemma/model/weights.hpp"
#include "gemma/tensor.hpp"

#include <cmath>
#include <cstddef>
#include <deque>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace gemma {

/// Every number different from every other that it could be mistaken for: H·d is not D, K is between 1 and H. The
/// vocabulary holds the special tokens up to <end_of_turn>.
inline Config tiny_config() {
    Config config{};
    config.vocab_size = 120;
    config.hidden_size = 20;
    config.intermediate_size = 28;
    config.num_hidden_layers = 3;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 6;
    config.max_position_embeddings = 64;
    config.torch_dtype = DType::float32;
    return config;
}

/// Random weights for a config: uniform numbers of standard deviation gain / sqrt(in). The layers are loud beside the
/// embedding, so that what comes next depends on all tokens so far and not on the last one alone.
class TinyWeights {
public:
    TinyWeights(const Config& config, unsigned seed) : random_(seed) {
        const std::size_t D = config.hidden_size, F = config.intermediate_size;
        const std::size_t query = config.num_attention_heads * config.head_dim;
        const std::size_t key = config.num_key_value_heads * config.head_dim;
        weights_.embed_tokens = matrix(config.vocab_size, D, 1.0f);
        for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
            LayerWeights layer;
            layer.input_layernorm = vector(D);
            layer.self_attn = {matrix(query, D, 2.0f), matrix(key, D, 2.0f), matrix(key, D, 2.0f),
                               matrix(D, query, 2.0f)};
            layer.post_attention_layernorm = vector(D);
            layer.mlp = {matrix(F, D, 2.0f), matrix(F, D, 2.0f), matrix(D, F, 2.0f)};
            weights_.layers.push_back(std::move(layer));
        }
        weights_.norm = vector(D);
    }

    Weights take() {
        weights_.storage = storage_;
        return std::move(weights_);
    }

private:
    float uniform(float largest) {
        return largest * (static_cast<float>(random_() >> 40) * 0x1p-23f - 1.0f);  // 24 bits: -1 to 1
    }

    WeightMatrix matrix(std::size_t out, std::size_t in, float gain) {
        Matrix& numbers = storage_->emplace_back(Matrix::from_shape({out, in}));
        for (float& number : numbers) number = uniform(1.7f * gain / std::sqrt(static_cast<float>(in)));
        return WeightMatrix::of(numbers);
    }

    Vector vector(std::size_t size) {
        Vector numbers = Vector::from_shape({size});
        for (float& number : numbers) number = uniform(0.5f);
        return numbers;
    }

    std::mt19937_64 random_;
    std::shared_ptr<std::deque<Matrix>> storage_ = std::make_shared<std::deque<Matrix>>();
    Weights weights_;
};

inline Model tiny_model(const Config& config, unsigned seed) { return Model(config, TinyWeights(config, seed).take()); }

/// Five tokens for it to read.
inline const std::vector<int> tiny_prompt = {2, 17, 5, 88, 41};

}  // namespace gemma
