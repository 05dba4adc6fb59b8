// Gemma in float64, one number at a time, straight from the formulas: it shares nothing with the library but the
// weights, and is slow.
#pragma once

#include "gemma/model/config.hpp"
#include "gemma/model/weights.hpp"
#include "tests/support/approx.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace gemma {

class PlainGemma {
public:
    PlainGemma(const Config& config, const Weights& weights) : config_(config), weights_(weights) {}

    /// The logits [T, V] that follow each token.
    Matrix64 logits(const std::vector<int>& tokens) const {
        const Numbers embedding = numbers(weights_.embed_tokens);
        std::vector<Row> x;
        for (const int token : tokens) {
            x.push_back(embedding[static_cast<std::size_t>(token)]);
            for (double& value : x.back()) value *= std::sqrt(static_cast<double>(config_.hidden_size));
        }
        for (const LayerWeights& layer : weights_.layers) {
            add(x, attention(norm(x, layer.input_layernorm), layer.self_attn));
            add(x, feed_forward(norm(x, layer.post_attention_layernorm), layer.mlp));
        }
        x = norm(x, weights_.norm);
        Matrix64 logits = Matrix64::from_shape({tokens.size(), config_.vocab_size});
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            for (std::size_t v = 0; v < config_.vocab_size; ++v) logits(t, v) = dot(x[t], embedding[v]);
        }
        return logits;
    }

    /// How far the logits move, relative to the largest, when each number of the weight matrices changes by 2⁻²³ of
    /// itself, a unit in the last place of a float32, up or down by chance; the farthest of three tries.
    double rounding(const std::vector<int>& tokens) const {
        const Matrix64 exact = logits(tokens);
        PlainGemma changed(config_, weights_);
        changed.change_ = 0x1p-23;
        double farthest = 0.0;
        for (unsigned attempt = 0; attempt < 3; ++attempt) {
            farthest = std::max(farthest, largest_difference("logits", changed.logits(tokens), exact).relative);
        }
        return farthest;
    }

private:
    using Row = std::vector<double>;
    using Numbers = std::vector<Row>;

    Numbers numbers(const WeightMatrix& weight) const {
        Numbers rows;
        std::vector<float> row(weight.columns);
        for (std::size_t i = 0; i < weight.rows; ++i) {
            copy_row(weight, i, row.data());
            rows.emplace_back(row.begin(), row.end());
            for (double& number : rows.back()) number *= random_() % 2 == 0 ? 1.0 + change_ : 1.0 - change_;
        }
        return rows;
    }

    static double dot(const Row& a, const Row& b) {
        double sum = 0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
        return sum;
    }

    std::vector<Row> linear(const std::vector<Row>& x, const WeightMatrix& weight) const {
        const Numbers rows = numbers(weight);
        std::vector<Row> y;
        for (const Row& token : x) {
            y.emplace_back();
            for (const Row& row : rows) y.back().push_back(dot(token, row));
        }
        return y;
    }

    static void add(std::vector<Row>& x, const std::vector<Row>& y) {
        for (std::size_t t = 0; t < x.size(); ++t) {
            for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += y[t][i];
        }
    }

    // x / √(mean of x² + ε) · (1 + w)
    std::vector<Row> norm(std::vector<Row> x, const Vector& weight) const {
        for (Row& token : x) {
            const double mean_square = dot(token, token) / static_cast<double>(token.size());
            for (std::size_t i = 0; i < token.size(); ++i) {
                token[i] *= (1.0 + static_cast<double>(weight(i))) /
                            std::sqrt(mean_square + static_cast<double>(config_.rms_norm_eps));
            }
        }
        return x;
    }

    // The pair (j, j + d/2) of each head turns by position · θ^(-2j/d).
    void rotate(Row& heads, std::size_t position) const {
        const std::size_t d = config_.head_dim;
        for (std::size_t first = 0; first < heads.size(); first += d) {
            for (std::size_t j = 0; j < d / 2; ++j) {
                const double angle =
                    static_cast<double>(position) * std::pow(static_cast<double>(config_.rope_theta),
                                                             -2.0 * static_cast<double>(j) / static_cast<double>(d));
                double &a = heads[first + j], &b = heads[first + j + d / 2];
                const double turned = a * std::cos(angle) - b * std::sin(angle);
                b = b * std::cos(angle) + a * std::sin(angle);
                a = turned;
            }
        }
    }

    std::vector<Row> attention(const std::vector<Row>& x, const AttentionWeights& weights) const {
        const std::size_t d = config_.head_dim, H = config_.num_attention_heads;
        const std::size_t group = H / config_.num_key_value_heads;
        std::vector<Row> q = linear(x, weights.q_proj), k = linear(x, weights.k_proj);
        const std::vector<Row> v = linear(x, weights.v_proj);
        for (std::size_t t = 0; t < x.size(); ++t) {
            rotate(q[t], t);
            rotate(k[t], t);
        }
        std::vector<Row> context(x.size(), Row(H * d, 0.0));
        for (std::size_t t = 0; t < x.size(); ++t) {
            for (std::size_t h = 0; h < H; ++h) {
                const std::size_t key = h / group * d;  // where the head's key and value begin
                Row share(t + 1, 0.0);
                for (std::size_t s = 0; s <= t; ++s) {
                    for (std::size_t i = 0; i < d; ++i) share[s] += q[t][h * d + i] * k[s][key + i];
                    share[s] /= std::sqrt(static_cast<double>(d));
                }
                const double largest = *std::max_element(share.begin(), share.end());
                double sum = 0;
                for (double& one : share) sum += one = std::exp(one - largest);
                for (std::size_t s = 0; s <= t; ++s) {
                    for (std::size_t i = 0; i < d; ++i) context[t][h * d + i] += share[s] / sum * v[s][key + i];
                }
            }
        }
        return linear(context, weights.o_proj);
    }

    // down(gelu(gate x) · up x), with the tanh form of GELU
    std::vector<Row> feed_forward(const std::vector<Row>& x, const FeedForwardWeights& weights) const {
        std::vector<Row> gate = linear(x, weights.gate_proj);
        const std::vector<Row> up = linear(x, weights.up_proj);
        const double root = std::sqrt(2.0 / std::acos(-1.0));
        for (std::size_t t = 0; t < x.size(); ++t) {
            for (std::size_t i = 0; i < gate[t].size(); ++i) {
                const double g = gate[t][i];
                gate[t][i] = 0.5 * g * (1.0 + std::tanh(root * (g + 0.044715 * g * g * g))) * up[t][i];
            }
        }
        return linear(gate, weights.down_proj);
    }

    Config config_;
    const Weights& weights_;
    double change_ = 0.0;  // of each number of a weight matrix, relative
    mutable std::mt19937 random_;
};

}  // namespace gemma
