// Counting parameters and bytes from a config.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/model/parameters.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <string>

namespace lesson {

using gemma::Config;
using gemma::Part;
using viz::grouped;

inline std::size_t count(const Config& config, Part part) {
    std::size_t sum = 0;
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        if (parameter.part == part) sum += gemma::element_count(parameter.info.shape);
    }
    return sum;
}

inline std::size_t count(const Config& config) {
    return count(config, Part::embedding) + count(config, Part::attention) + count(config, Part::mlp) +
           count(config, Part::norm);
}

inline std::size_t count(const Config& config, const std::string& name) {
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        if (parameter.info.name == name + ".weight") return gemma::element_count(parameter.info.shape);
    }
    return 0;
}

// A key and a value of d numbers, for each of the K heads of each of the L layers, two bytes each in bfloat16.
inline std::size_t cache_bytes_a_token(const Config& config) {
    return 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2;
}

// LLaMA 7B (Touvron et al. 2023): 32 layers, D 4096, F 11008, V 32000; an output matrix of its own, no biases.
inline std::size_t llama_7b() {
    const std::size_t L = 32, D = 4096, F = 11008, V = 32000;
    return 2 * V * D + L * (4 * D * D + 3 * D * F + 2 * D) + D;
}

inline std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

inline double ratio(std::size_t a, std::size_t b) { return static_cast<double>(a) / static_cast<double>(b); }

inline std::string gigabytes(std::size_t bytes) { return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9); }

}  // namespace lesson
