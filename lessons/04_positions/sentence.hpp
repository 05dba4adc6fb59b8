// A sentence, an attention head of random numbers, and how far two outputs are from each other.
#pragma once

#include "gemma/components/mqa.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/components/softmax.hpp"
#include "gemma/linear/linear.hpp"
#include "gemma/tensor.hpp"
#include "gemma/trace/trace.hpp"
#include "lessons/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace positions {

using gemma::Matrix;
using gemma::Tensor3;

// --- A sentence, and an attention head of random numbers -------------------------------------------------------------

inline constexpr std::size_t D = 8;  // numbers a token; the head has as many

inline const std::vector<std::string> words = {"Anna", "gave", "Tom", "the", "ball"};
using Order = std::vector<std::size_t>;           // which word stands at each place
inline const Order sentence_a = {0, 1, 2, 3, 4};  // Anna gave Tom the ball
inline const Order sentence_b = {2, 1, 0, 3, 4};  // Tom gave Anna the ball

inline Matrix random_matrix(std::size_t rows, std::size_t columns, std::uint64_t seed, double deviation = 1.0) {
    return lesson::Random(seed).normal<2>({rows, columns}, deviation);
}

struct Head {
    Matrix q_proj, k_proj, v_proj;  // [D, D]
};

inline Head random_head(std::uint64_t seed) {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(D));  // keeps queries and keys of about length √D
    return {random_matrix(D, D, seed, deviation), random_matrix(D, D, seed + 1, deviation),
            random_matrix(D, D, seed + 2, deviation)};
}

inline Matrix rows_in_order(const Matrix& matrix, const Order& order) {
    Matrix rows = Matrix::from_shape({order.size(), matrix.shape(1)});
    for (std::size_t t = 0; t < order.size(); ++t) {
        std::copy_n(&matrix(order[t], 0), matrix.shape(1), &rows(t, 0));
    }
    return rows;
}

// What an attention layer may have besides its head.
struct Extras {
    bool causal = false;
    const Tensor3* bias = nullptr;              // added to the scores: T5
    const gemma::Rotation* rotation = nullptr;  // of queries and keys: RoPE
};

inline Tensor3 project(const Matrix& x, const Matrix& weight) {
    const Matrix y = gemma::linear(x, gemma::WeightMatrix::of(weight));
    Tensor3 head = Tensor3::from_shape({x.shape(0), 1, weight.shape(0)});
    std::copy(y.begin(), y.end(), head.begin());
    return head;
}

// softmax(query keyᵀ / √D) value, made of the library's attention: x [T, D] into [T, D].
inline Matrix attend(const Matrix& x, const Head& head, const Extras& extras = {}, gemma::Trace trace = {}) {
    const std::size_t T = x.shape(0);
    Tensor3 query = project(x, head.q_proj), key = project(x, head.k_proj);
    if (extras.rotation) {
        query = gemma::rope(std::move(query), *extras.rotation);
        key = gemma::rope(std::move(key), *extras.rotation);
    }
    gemma::KeyValues past(1, T, D);
    past.append(key, project(x, head.v_proj));

    Tensor3 scores = gemma::attention_scores(query, past);
    if (extras.bias) scores += *extras.bias;
    trace("scores", scores);
    if (extras.causal) {
        scores = gemma::causal_softmax(std::move(scores));
    } else {
        for (std::size_t t = 0; t < T; ++t) gemma::softmax(&scores(0, t, 0), T);
    }
    trace("probs", scores);
    Tensor3 context = gemma::attention_context(scores, past);
    trace("context", context);
    Matrix output = Matrix::from_shape({T, D});
    std::copy(context.begin(), context.end(), output.begin());
    return output;
}

// --- Measures --------------------------------------------------------------------------------------------------------

inline double dot(const Matrix& a, std::size_t m, const Matrix& b, std::size_t n) {
    double sum = 0;
    for (std::size_t i = 0; i < a.shape(1); ++i) sum += static_cast<double>(a(m, i)) * b(n, i);
    return sum;
}

inline double cosine(const Matrix& a, std::size_t m, const Matrix& b, std::size_t n) {
    return dot(a, m, b, n) / std::sqrt(dot(a, m, a, m) * dot(b, n, b, n));
}

inline double largest_difference(const Matrix& a, std::size_t m, const Matrix& b, std::size_t n) {
    double largest = 0;
    for (std::size_t i = 0; i < a.shape(1); ++i) largest = std::max(largest, std::abs(1.0 * a(m, i) - b(n, i)));
    return largest;
}

inline std::size_t place_of(std::size_t word, const Order& order) {
    return static_cast<std::size_t>(std::find(order.begin(), order.end(), word) - order.begin());
}

// The largest difference between a word's outputs in sentence A and in another order, over all words.
inline double largest_difference(const Matrix& in_a, const Matrix& in_other, const Order& other) {
    double largest = 0;
    for (std::size_t word = 0; word < words.size(); ++word) {
        largest = std::max(largest, largest_difference(in_a, word, in_other, place_of(word, other)));
    }
    return largest;
}

}  // namespace positions
