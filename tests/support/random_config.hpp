// Small Gemmas of random sizes: what must hold for every model must hold for each of them.
#pragma once

#include "gemma/model/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace gemma {

/// Whole numbers and choices that are the same on every machine.
class Dice {
public:
    explicit Dice(unsigned seed) : random_(seed) {}

    /// A whole number from `least` to `most`.
    std::size_t number(std::size_t least, std::size_t most) { return least + random_() % (most - least + 1); }

    template <typename T>
    T one_of(std::initializer_list<T> choices) {
        return choices.begin()[number(0, choices.size() - 1)];
    }

    std::vector<int> tokens(std::size_t count, const Config& config) {
        std::vector<int> tokens(count);
        for (int& token : tokens) token = static_cast<int>(number(0, config.vocab_size - 1));
        return tokens;
    }

    /// `total` as a sum of random numbers from 1 on.
    std::vector<std::size_t> split(std::size_t total) {
        std::vector<std::size_t> parts;
        for (; total > 0; total -= parts.back()) parts.push_back(number(1, total));
        return parts;
    }

    /// 0 … count - 1 in a random order (Fisher and Yates).
    std::vector<std::size_t> order(std::size_t count) {
        std::vector<std::size_t> order(count);
        for (std::size_t i = 0; i < count; ++i) order[i] = i;
        for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[number(0, i - 1)]);
        return order;
    }

private:
    std::mt19937 random_;
};

/// Every size by itself: H·d above and below D, K from 1 to H, odd sizes that no vector length divides.
inline Config random_config(Dice& dice) {
    Config config{};
    config.vocab_size = dice.number(3, 200);
    config.hidden_size = dice.number(1, 48);
    config.intermediate_size = dice.number(1, 64);
    config.num_hidden_layers = dice.number(1, 4);
    config.num_key_value_heads = dice.number(1, 4);
    config.num_attention_heads = config.num_key_value_heads * dice.number(1, 4);
    config.head_dim = 2 * dice.number(1, 10);
    config.max_position_embeddings = 64;
    config.rms_norm_eps = dice.one_of({1e-6f, 1e-5f, 1e-3f});
    config.rope_theta = dice.one_of({100.0f, 10000.0f, 1e6f});
    config.torch_dtype = DType::float32;
    return config;
}

inline std::string to_string(const Config& c) {
    return fmt::format("V {}, D {}, F {}, L {}, H {}, K {}, d {}", c.vocab_size, c.hidden_size, c.intermediate_size,
                       c.num_hidden_layers, c.num_attention_heads, c.num_key_value_heads, c.head_dim);
}

}  // namespace gemma
