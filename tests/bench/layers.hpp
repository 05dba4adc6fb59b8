// What the micro-benchmarks share: a decoder layer of Gemma 2B's shapes with random weights, and random inputs.
#pragma once

#include "gemma/bench/random_weights.hpp"
#include "gemma/checkpoint/random.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"

#include <cstddef>
#include <utility>

namespace gemma {

/// Gemma 2B with one layer, a small vocabulary, and so many key/value heads for its 8 query heads: 1 is the 2B.
inline Config one_layer(std::size_t key_value_heads) {
    Config config = gemma_2b();
    config.num_hidden_layers = 1;
    config.vocab_size = 16;
    config.num_key_value_heads = key_value_heads;
    return config;
}

inline Matrix random_rows(std::size_t rows, std::size_t columns, Precision precision = Precision::float32) {
    Matrix x = Matrix::from_shape({rows, columns});
    random_numbers(0, 0, 0, x.size(), 1.0f, x.data());
    return rounded(precision, std::move(x));
}

}  // namespace gemma
