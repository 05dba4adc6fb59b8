// The multiply-adds of a forward pass: by a formula, and counted while it happens.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <string>

namespace lesson {

// Multiply-adds of a pass of T tokens, S with those before, that gives the logits of the last.
inline std::size_t work(const gemma::Config& config, std::size_t T, std::size_t S) {
    const std::size_t D = config.hidden_size, F = config.intermediate_size, V = config.vocab_size;
    const std::size_t H = config.num_attention_heads, K = config.num_key_value_heads, d = config.head_dim;
    const std::size_t matrices = 2 * H * d * D + 2 * K * d * D + 3 * D * F;
    const std::size_t attention = 2 * H * d * S;
    return config.num_hidden_layers * T * (matrices + attention) + V * D;
}

// Counts them while they happen, from the shapes that a pass shows: numbers that came out, times products in each.
class WorkCounter : public gemma::Observer {
public:
    explicit WorkCounter(const gemma::Config& config) : config_(config) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        const std::string part = name.substr(name.rfind('.') + 1);
        if (part == "scores") seen_ = tensor.shape[2];
        multiply_adds += tensor.size() * products(part);
    }

    std::size_t multiply_adds = 0;

private:
    std::size_t products(const std::string& part) const {
        if (part == "scores") return config_.head_dim;
        if (part == "context") return seen_;
        if (part == "o_proj") return config_.num_attention_heads * config_.head_dim;
        if (part == "down_proj") return config_.intermediate_size;
        const bool from_hidden = part == "q_proj" || part == "k_proj" || part == "v_proj" || part == "gate_proj" ||
                                 part == "up_proj" || part == "lm_head";
        return from_hidden ? config_.hidden_size : 0;
    }

    gemma::Config config_;
    std::size_t seen_ = 0;
};

// The work of writing tokens up to the n-th: without a cache all go in again for each.
struct Writing {
    std::size_t with = 0, without = 0;
};

inline Writing writing(const gemma::Config& config, std::size_t n) {
    Writing sum;
    for (std::size_t i = 1; i <= n; ++i) {
        sum.with += work(config, 1, i);
        sum.without += work(config, i, i);
    }
    return sum;
}

}  // namespace lesson
