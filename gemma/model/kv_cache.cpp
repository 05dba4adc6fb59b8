#include "gemma/model/kv_cache.hpp"

#include <algorithm>

namespace gemma {

KVCache::KVCache(const Config& config, std::size_t capacity, Precision precision) {
    layers_.reserve(config.num_hidden_layers);
    for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
        layers_.emplace_back(config.num_key_value_heads, capacity, config.head_dim, precision);
    }
}

void KVCache::truncate(std::size_t length) {
    for (KeyValues& layer : layers_) layer.length = std::min(layer.length, length);
}

}  // namespace gemma
