#include "gemma/bench/work.hpp"

#include "gemma/model/parameters.hpp"

namespace gemma::bench {

double prefill_operations(const Config& config, std::size_t tokens) {
    double numbers = 0;  // of the matrices that every token meets
    for (const Parameter& parameter : parameters(config)) {
        if (parameter.part == Part::attention || parameter.part == Part::mlp) {
            numbers += static_cast<double>(element_count(parameter.info.shape));
        }
    }
    const double T = static_cast<double>(tokens);
    const double logits = static_cast<double>(config.vocab_size * config.hidden_size);
    const double heads = static_cast<double>(config.num_hidden_layers * config.num_attention_heads * config.head_dim);
    return 2 * T * numbers + 2 * logits + 4 * heads * T * (T + 1) / 2;
}

std::size_t cache_bytes(const Config& config, std::size_t tokens, Precision precision) {
    const std::size_t numbers = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim;
    return tokens * numbers * (precision == Precision::float32 ? 4 : 2);
}

}  // namespace gemma::bench
