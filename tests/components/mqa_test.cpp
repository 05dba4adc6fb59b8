#include "gemma/components/mqa.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

using gemma::attention;
using gemma::AttentionWeights;
using gemma::KeyValues;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::Precision;
using gemma::rope_rotation;
using gemma::Tensor3;
using gemma::Trace;
using gemma::WeightMatrix;

namespace {

struct Attention {
    Attention(std::size_t H, std::size_t K, std::size_t d, std::size_t D)
        : H(H),
          K(K),
          d(d),
          D(D),
          q_proj(gemma::random_matrix(H * d, D, 11)),
          k_proj(gemma::random_matrix(K * d, D, 12)),
          v_proj(gemma::random_matrix(K * d, D, 13)),
          o_proj(gemma::random_matrix(D, H * d, 14)) {}

    AttentionWeights weights() const {
        return {WeightMatrix::of(q_proj), WeightMatrix::of(k_proj), WeightMatrix::of(v_proj), WeightMatrix::of(o_proj)};
    }

    KeyValues empty_past(std::size_t capacity) const { return KeyValues(K, capacity, d); }

    // The tokens of x after those in `past`.
    Matrix forward(const Matrix& x, KeyValues& past, Trace trace = {}) const {
        return attention(x, weights(), rope_rotation(past.length, x.shape(0), d), past, trace);
    }

    Matrix forward(const Matrix& x, Trace trace = {}) const {
        KeyValues past = empty_past(x.shape(0));
        return forward(x, past, trace);
    }

    // The same layer with one key/value head for each query head: head h's is a copy of head source(h).
    Attention with_copied_heads(const std::function<std::size_t(std::size_t)>& source) const {
        Attention copy(H, H, d, D);
        for (std::size_t h = 0; h < H; ++h) {
            for (std::size_t i = 0; i < d * D; ++i) {
                copy.k_proj.data()[h * d * D + i] = k_proj.data()[source(h) * d * D + i];
                copy.v_proj.data()[h * d * D + i] = v_proj.data()[source(h) * d * D + i];
            }
        }
        copy.q_proj = q_proj;
        copy.o_proj = o_proj;
        return copy;
    }

    std::size_t H, K, d, D;
    Matrix q_proj, k_proj, v_proj, o_proj;
};

using Head = std::vector<std::vector<double>>;  // one vector of d numbers a token

// Head h of x Wᵀ.
Head project64(const Matrix& x, const Matrix& W, std::size_t h, std::size_t d) {
    Head head(x.shape(0), std::vector<double>(d, 0.0));
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t i = 0; i < d; ++i) {
            for (std::size_t c = 0; c < x.shape(1); ++c) head[t][i] += static_cast<double>(x(t, c)) * W(h * d + i, c);
        }
    }
    return head;
}

// RoPE as a product of complex numbers: pair (j, j + d/2) times e^(i m θ_j).
Head turn64(Head head) {
    const std::size_t d = head[0].size();
    for (std::size_t m = 0; m < head.size(); ++m) {
        for (std::size_t j = 0; j < d / 2; ++j) {
            const double angle =
                static_cast<double>(m) / std::pow(10000.0, 2.0 * static_cast<double>(j) / static_cast<double>(d));
            const double a = head[m][j], b = head[m][j + d / 2];
            head[m][j] = a * std::cos(angle) - b * std::sin(angle);
            head[m][j + d / 2] = b * std::cos(angle) + a * std::sin(angle);
        }
    }
    return head;
}

// Textbook multi-head attention (K = H), one head and one token at a time.
Matrix64 multi_head64(const Matrix& x, const Attention& layer) {
    const std::size_t T = x.shape(0), d = layer.d;
    Matrix64 y = Matrix64::from_shape({T, layer.D});
    y.fill(0.0);
    for (std::size_t h = 0; h < layer.H; ++h) {
        const Head query = turn64(project64(x, layer.q_proj, h, d)), key = turn64(project64(x, layer.k_proj, h, d));
        const Head value = project64(x, layer.v_proj, h, d);
        for (std::size_t t = 0; t < T; ++t) {
            std::vector<double> context(d, 0.0);
            double total = 0.0;
            for (std::size_t s = 0; s <= t; ++s) {
                double score = 0.0;
                for (std::size_t i = 0; i < d; ++i) score += query[t][i] * key[s][i];
                const double weight = std::exp(score / std::sqrt(static_cast<double>(d)));
                total += weight;
                for (std::size_t i = 0; i < d; ++i) context[i] += weight * value[s][i];
            }
            for (std::size_t o = 0; o < layer.D; ++o) {
                for (std::size_t i = 0; i < d; ++i) y(t, o) += context[i] / total * layer.o_proj(o, h * d + i);
            }
        }
    }
    return y;
}

Matrix rows_of(const Matrix& x, std::size_t first, std::size_t count) {
    Matrix rows = Matrix::from_shape({count, x.shape(1)});
    std::copy_n(&x(first, 0), rows.size(), rows.data());
    return rows;
}

}  // namespace

TEST_CASE("as many key/value heads as query heads: textbook multi-head attention, H·d not D") {
    for (const std::size_t T : {1, 2, 9}) {
        const Attention layer(4, 4, 6, 10);
        const Matrix x = gemma::random_matrix(T, 10, 1);
        CAPTURE(T);
        CHECK_CLOSE(layer.forward(x), multi_head64(x, layer), 2e-6);
    }
}

TEST_CASE("fewer key/value heads: multi-head attention with each of them repeated in a row") {
    const std::size_t H = 6;
    const Matrix x = gemma::random_matrix(9, 10, 1);
    for (const std::size_t K : {1, 2, 3}) {
        CAPTURE(K);
        const Attention layer(H, K, 4, 10);
        const std::size_t group = H / K;
        const Attention repeated = layer.with_copied_heads([group](std::size_t h) { return h / group; });
        CHECK_CLOSE(layer.forward(x), multi_head64(x, repeated), 2e-6);
        CHECK_CLOSE(layer.forward(x), repeated.forward(x), 1e-6);

        // Tiled, 0 1 2 0 1 2 instead of 0 0 1 1 2 2: shows with 1 < K < H only.
        const Attention tiled = layer.with_copied_heads([K](std::size_t h) { return h % K; });
        const double difference = gemma::largest_difference("tiled", tiled.forward(x), layer.forward(x)).relative;
        if (K == 1) {
            CHECK(difference <= 1e-6);
        } else {
            CHECK(difference > 0.1);
        }
    }
}

TEST_CASE("a later token changes not one bit before it") {
    const Attention layer(4, 2, 6, 10);
    Matrix x = gemma::random_matrix(9, 10, 1);
    const Matrix before = layer.forward(x);
    for (std::size_t i = 0; i < 10; ++i) x(6, i) += 1.0f;
    const Matrix after = layer.forward(x);
    CHECK_CLOSE(rows_of(after, 0, 6), rows_of(before, 0, 6), 0.0);
    for (std::size_t t = 6; t < 9; ++t) {
        CHECK(gemma::largest_difference("later", rows_of(after, t, 1), rows_of(before, t, 1)).relative > 1e-3);
    }
}

TEST_CASE("tokens in pieces after what is cached give the same as all at once") {
    const Attention layer(4, 2, 6, 10);
    const Matrix x = gemma::random_matrix(9, 10, 1), all = layer.forward(x);
    const std::vector<std::vector<std::size_t>> divisions = {
        {1, 1, 1, 1, 1, 1, 1, 1, 1}, {4, 5}, {8, 1}, {1, 8}, {3, 1, 4, 1}};
    for (const std::vector<std::size_t>& pieces : divisions) {
        KeyValues past = layer.empty_past(12);  // more room than is used
        for (const std::size_t count : pieces) {
            const std::size_t first = past.length;
            CAPTURE(first);
            CAPTURE(count);
            CHECK_CLOSE(layer.forward(rows_of(x, first, count), past), rows_of(all, first, count), 1e-6);
        }
        CHECK(past.length == 9);
    }
}

TEST_CASE("without a trace scores come a few tokens at a time, with the same result") {
    const std::size_t T = 150, more = 70;  // many pieces, and more than one part of the values in the second call
    for (const auto precision : {Precision::float32, Precision::bfloat16}) {
        for (const std::size_t K : {1, 2, 4}) {
            CAPTURE(K);
            const Attention layer(4, K, 16, 24);
            const auto rounded = [&](Matrix x) { return gemma::rounded(precision, std::move(x)); };
            Attention stored = layer;
            for (Matrix* matrix : {&stored.q_proj, &stored.k_proj, &stored.v_proj, &stored.o_proj}) {
                *matrix = rounded(*matrix);
            }
            KeyValues pieces(K, 700, 16, precision), whole(K, 700, 16, precision);
            const auto forward = [&](const Matrix& x, KeyValues& past, Trace trace) {
                const gemma::Rotation rotation = rope_rotation(past.length, x.shape(0), 16);
                return attention(x, stored.weights(), rotation, past, trace, precision);
            };
            for (const std::size_t count : {T, std::size_t{400}, std::size_t{1}, more}) {
                CAPTURE(count);
                const Matrix x = rounded(gemma::random_matrix(count, 24, static_cast<unsigned>(count)));
                gemma::NamesObserver observer;
                // Sums may take another order: in bfloat16 a number may then be rounded to the neighbour, 2^-7 away.
                const double tolerance = precision == Precision::float32 ? 1e-6 : 0x1p-7;
                CHECK_CLOSE(forward(x, pieces, {}), forward(x, whole, Trace(observer)), tolerance);
            }
        }
    }
}

TEST_CASE("keys and values in bfloat16 take half the memory and give the same numbers") {
    const Attention layer(4, 2, 6, 10);
    const Matrix x = gemma::rounded(Precision::bfloat16, gemma::random_matrix(9, 10, 1));
    KeyValues narrow(2, 9, 6, Precision::bfloat16), wide(2, 9, 6);
    const auto forward = [&](KeyValues& past) {
        return attention(x, layer.weights(), rope_rotation(0, 9, 6), past, {}, Precision::bfloat16);
    };
    CHECK_CLOSE(forward(narrow), forward(wide), 0x1p-7);  // one step of a bfloat16 number
    CHECK(narrow.precision() == Precision::bfloat16);
    CHECK(wide.precision() == Precision::float32);
    CHECK(narrow.length == 9);
    CHECK(narrow.capacity() == wide.capacity());
    CHECK(narrow.keys.size() + narrow.values.size() == 0);
    CHECK(wide.bfloat16_keys.size() + wide.bfloat16_values.size() == 0);
    for (std::size_t i = 0; i < wide.keys.size(); ++i) {
        CHECK(gemma::bfloat16_to_float(narrow.bfloat16_keys.data()[i]) == wide.keys.data()[i]);
        CHECK(gemma::bfloat16_to_float(narrow.bfloat16_values.data()[i]) == wide.values.data()[i]);
    }
}

TEST_CASE("the order of the tokens matters") {
    const Attention layer(2, 1, 8, 10);
    Matrix x = gemma::random_matrix(4, 10, 1), exchanged = x;
    for (std::size_t i = 0; i < 10; ++i) std::swap(exchanged(0, i), exchanged(1, i));
    const Matrix last = rows_of(layer.forward(x), 3, 1), other = rows_of(layer.forward(exchanged), 3, 1);
    CHECK(gemma::largest_difference("exchanged", other, last).relative > 1e-3);
}

TEST_CASE("attention shows its parts in order") {
    const Attention layer(4, 2, 6, 10);
    KeyValues past = layer.empty_past(8);
    layer.forward(gemma::random_matrix(3, 10, 1), past);
    gemma::NamesObserver observer;
    layer.forward(gemma::random_matrix(2, 10, 2), past, Trace(observer, "attn"));
    CHECK(observer.names == gemma::Names{"attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.q_rope", "attn.k_rope",
                                         "attn.scores", "attn.probs", "attn.context", "attn.o_proj"});
    CHECK(
        observer.shapes ==
        gemma::Shapes{{2, 4, 6}, {2, 2, 6}, {2, 2, 6}, {2, 4, 6}, {2, 2, 6}, {4, 2, 5}, {4, 2, 5}, {2, 4, 6}, {2, 10}});
}

TEST_CASE("editing a part of attention changes what follows") {
    const Attention layer(2, 1, 4, 6);
    const Matrix x = gemma::random_matrix(3, 6, 1);
    const auto edited = [&](const std::string& name, float value) {
        gemma::NamesObserver observer;
        observer.fill_at(name, value);
        return layer.forward(x, Trace(observer));
    };
    for (const char* part : {"v_proj", "probs", "context", "o_proj"}) {
        CAPTURE(part);
        for (const float y : edited(part, 0.0f)) CHECK(y == 0.0f);
    }
    // Equal scores look at all tokens alike; so do queries or keys of zero, before or after the turn.
    const Matrix alike = edited("scores", 0.0f);
    for (const char* part : {"q_proj", "k_proj", "q_rope", "k_rope"}) CHECK_CLOSE(edited(part, 0.0f), alike, 0.0);
    CHECK(gemma::largest_difference("alike", alike, layer.forward(x)).relative > 1e-2);
}

TEST_CASE("editing one head's context leaves the other heads") {
    const Attention layer(3, 1, 4, 6);
    const Matrix x = gemma::random_matrix(3, 6, 1);
    gemma::NamesObserver ablation;
    ablation.edit_at("context", [](const gemma::TensorView& context) {  // [T, H, d]: head 1
        for (std::size_t t = 0; t < 3; ++t) std::fill_n(context.data + (t * 3 + 1) * 4, 4, 0.0f);
    });
    Attention without = layer;  // the same by zero columns in o_proj
    for (std::size_t o = 0; o < 6; ++o) std::fill_n(&without.o_proj(o, 4), 4, 0.0f);
    CHECK_CLOSE(layer.forward(x, Trace(ablation)), without.forward(x), 1e-7);
}

TEST_CASE("shapes that do not fit attention are errors with what was found and expected") {
    const Attention layer(4, 2, 6, 10);
    const Matrix x = gemma::random_matrix(3, 10, 1);
    CHECK(gemma::error_message([&] { layer.forward(gemma::random_matrix(3, 11, 1)); }) ==
          "the input of attention has shape [3, 11], expected [3, 10]");

    Attention other = layer;
    other.k_proj = gemma::random_matrix(3 * 6, 10, 1);
    CHECK(gemma::error_message([&] { other.forward(x); }) ==
          "the key of attention has shape [3, 3, 6], expected [3, 2, 6]");
    other = layer;
    other.v_proj = gemma::random_matrix(6, 10, 1);
    CHECK(gemma::error_message([&] { other.forward(x); }) ==
          "the value of attention has shape [3, 1, 6], expected [3, 2, 6]");
    other = layer;
    other.o_proj = gemma::random_matrix(10, 23, 1);
    CHECK(gemma::error_message([&] { other.forward(x); }) ==
          "the input of a linear map has shape [3, 24], expected [3, 23]");
    other = layer;
    other.q_proj = gemma::random_matrix(25, 10, 1);
    CHECK(gemma::error_message([&] { other.forward(x); }) ==
          "a projection of attention has 25 rows, expected a multiple of head_dim 6");
    other.q_proj = gemma::random_matrix(5 * 6, 10, 1);
    CHECK(gemma::error_message([&] { other.forward(x); }) ==
          "5 query heads share 2 key/value heads, expected an even share");

    KeyValues past = layer.empty_past(3);
    CHECK(gemma::error_message([&] { attention(x, layer.weights(), rope_rotation(0, 2, 6), past); }) ==
          "the rotation of RoPE has shape [2, 3], expected [3, 3]");
    layer.forward(rows_of(x, 0, 1), past);
    CHECK(gemma::error_message([&] { layer.forward(x, past); }) ==
          "3 tokens after 1 do not fit the key/value cache, expected at most 3 in all");
    CHECK(past.length == 1);

    CHECK(gemma::error_message([&] {
              gemma::attention_scores(gemma::random_tensor<3>({3, 4, 8}, 1), past);
          }) == "the query of attention has shape [3, 4, 8], expected [3, 4, 6]");
    CHECK(gemma::error_message([&] {
              gemma::attention_context(gemma::random_tensor<3>({4, 3, 2}, 1), past);
          }) == "the probability tensor of attention has shape [4, 3, 2], expected [4, 3, 1]");
}
