#include "gemma/components/positions.hpp"

#include "gemma/components/rope.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

using doctest::Approx;
using gemma::Matrix;
using gemma::Sight;
using gemma::t5_bucket;
using gemma::Tensor3;

namespace {

double dot_of_rows(const Matrix& x, std::size_t a, std::size_t b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.shape(1); ++i) sum += static_cast<double>(x(a, i)) * x(b, i);
    return sum;
}

// The bucket of a distance in whole numbers, without logarithms. With E exact buckets of B and k the number of the
// logarithmic one, ln(n/E) / ln(128/E) ≥ k/(B-E) where (n/E)^(B-E) ≥ (128/E)^k.
std::size_t bucket_in_integers(std::size_t n, std::size_t buckets) {
    const std::size_t E = buckets / 2;
    if (n < E) return n;
    if (n >= 128) return buckets - 1;
    const auto power = [](unsigned __int128 base, std::size_t exponent) {
        unsigned __int128 result = 1;
        for (std::size_t i = 0; i < exponent; ++i) result *= base;
        return result;
    };
    std::size_t k = 0;
    while (power(n, E) >= power(128 / E, k + 1) * power(E, E)) ++k;
    return E + k;
}

// The distances at which a new bucket begins.
std::vector<std::ptrdiff_t> bucket_edges(Sight sight, std::ptrdiff_t direction) {
    std::vector<std::ptrdiff_t> edges;
    for (std::ptrdiff_t n = 2; n < 2000; ++n) {
        if (t5_bucket(direction * n, sight) != t5_bucket(direction * (n - 1), sight)) edges.push_back(n);
    }
    return edges;
}

}  // namespace

TEST_CASE("learned positions are rows of a table") {
    const Matrix table = gemma::random_matrix(6, 4, 1);
    const Matrix rows = gemma::learned_positions(table, 2, 3);
    CHECK(gemma::shape_of(rows) == gemma::Shape{3, 4});
    for (std::size_t t = 0; t < 3; ++t) {
        for (std::size_t i = 0; i < 4; ++i) CHECK(rows(t, i) == table(2 + t, i));
    }
}

TEST_CASE("a learned table ends: its context is fixed") {
    const Matrix table = gemma::random_matrix(6, 4, 1);
    CHECK(gemma::learned_positions(table, 0, 6).size() == 24);
    CHECK(gemma::error_message([&] { gemma::learned_positions(table, 4, 3); }) ==
          "positions 4 to 6 are not in the table of learned positions, expected 0 to 5");
}

TEST_CASE("sinusoids agree with the paper's formula") {
    const std::size_t D = 8;
    const Matrix p = gemma::sinusoidal_positions(0, 50, D);
    for (std::size_t t = 0; t < 50; ++t) {
        for (std::size_t i = 0; i < D; ++i) {
            // 10000^(2j/8) = 10^j for pair j
            const double angle = static_cast<double>(t) / std::pow(10.0, static_cast<double>(i / 2));
            CAPTURE(t);
            CAPTURE(i);
            CHECK(std::fabs(p(t, i) - (i % 2 == 0 ? std::sin(angle) : std::cos(angle))) <= 1e-7);
        }
    }
}

TEST_CASE("sinusoids exist at any position, and a start in the middle is the same") {
    const Matrix all = gemma::sinusoidal_positions(0, 40, 6), tail = gemma::sinusoidal_positions(37, 3, 6);
    for (std::size_t t = 0; t < 3; ++t) {
        for (std::size_t i = 0; i < 6; ++i) CHECK(tail(t, i) == all(37 + t, i));
    }
    const Matrix far = gemma::sinusoidal_positions(1000000, 1, 6);
    CHECK(far(0, 0) == Approx(std::sin(1e6)).epsilon(1e-6));
    CHECK(far(0, 1) == Approx(std::cos(1e6)).epsilon(1e-6));
}

TEST_CASE("the product of two sinusoidal positions knows their distance only") {
    const Matrix p = gemma::sinusoidal_positions(0, 60, 16);
    for (const std::size_t shift : {1, 7, 40}) {
        CHECK(dot_of_rows(p, 3 + shift, 10 + shift) == Approx(dot_of_rows(p, 3, 10)).epsilon(1e-6));
    }
    CHECK(dot_of_rows(p, 5, 5) == Approx(8.0).epsilon(1e-6));  // D/2 pairs of sin² + cos²
    CHECK(dot_of_rows(p, 5, 6) > dot_of_rows(p, 5, 8));        // and neighbours are alike
}

TEST_CASE("sinusoids turn at RoPE's frequencies") {
    const std::size_t d = 16;
    const gemma::Rotation rotation = gemma::rope_rotation(0, 20, d);
    const Matrix p = gemma::sinusoidal_positions(0, 20, d);
    for (std::size_t t = 0; t < 20; ++t) {
        for (std::size_t j = 0; j < d / 2; ++j) {
            CHECK(std::fabs(p(t, 2 * j) - rotation.sin(t, j)) <= 2e-6);
            CHECK(std::fabs(p(t, 2 * j + 1) - rotation.cos(t, j)) <= 2e-6);
        }
    }
}

TEST_CASE("sinusoids come in pairs: an odd hidden size is an error") {
    CHECK(gemma::error_message([] { gemma::sinusoidal_positions(0, 1, 7); }) ==
          "hidden_size is 7, expected an even number: sinusoids come in pairs of a sine and a cosine");
}

TEST_CASE("add_positions adds, and shows what it adds and the sum") {
    const Matrix x = gemma::random_matrix(3, 4, 1), positions = gemma::random_matrix(3, 4, 2);
    gemma::NamesObserver observer;
    const Matrix sum = gemma::add_positions(x, positions, gemma::Trace(observer, "embeddings"));
    for (std::size_t i = 0; i < sum.size(); ++i) CHECK(sum.data()[i] == x.data()[i] + positions.data()[i]);
    CHECK(observer.names == gemma::Names{"embeddings.positions", "embeddings"});
    CHECK(observer.shapes == gemma::Shapes{{3, 4}, {3, 4}});

    observer.fill_at("embeddings.positions", 0.0f);
    CHECK_CLOSE(gemma::add_positions(x, positions, gemma::Trace(observer, "embeddings")), x, 0.0);
}

TEST_CASE("positions that do not fit are an error with both shapes") {
    CHECK(gemma::error_message([] {
              gemma::add_positions(gemma::random_matrix(3, 4, 1), gemma::random_matrix(2, 4, 2));
          }) == "the matrix of positions has shape [2, 4], expected [3, 4]");
}

TEST_CASE("T5's buckets begin where those of the T5 code begin") {
    // Computed with the formula of the published T5 code, in float32.
    const std::vector<std::ptrdiff_t> decoder = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                                 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
    const std::vector<std::ptrdiff_t> encoder = {2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
    CHECK(bucket_edges(Sight::causal, -1) == decoder);
    CHECK(bucket_edges(Sight::bidirectional, -1) == encoder);
    CHECK(bucket_edges(Sight::bidirectional, +1) == encoder);
}

TEST_CASE("T5's buckets agree with whole-number arithmetic at every distance") {
    for (std::ptrdiff_t n = 0; n < 2000; ++n) {
        CAPTURE(n);
        const std::size_t distance = static_cast<std::size_t>(n);
        CHECK(t5_bucket(-n, Sight::causal) == bucket_in_integers(distance, 32));
        CHECK(t5_bucket(-n, Sight::bidirectional) == bucket_in_integers(distance, 16));
        if (n > 0) CHECK(t5_bucket(n, Sight::bidirectional) == 16 + bucket_in_integers(distance, 16));
    }
}

TEST_CASE("T5's decoder puts all keys after the query into bucket 0") {
    for (const std::ptrdiff_t n : {0, 1, 50, 5000}) CHECK(t5_bucket(n, Sight::causal) == 0);
}

TEST_CASE("T5's bias is the same along diagonals, one number a head") {
    const std::size_t H = 3, T = 4, S = 6;
    const Matrix table = gemma::random_matrix(32, H, 1);
    for (const Sight sight : {Sight::causal, Sight::bidirectional}) {
        const Tensor3 bias = gemma::t5_position_bias(table, T, S, sight);
        CHECK(gemma::shape_of(bias) == gemma::Shape{H, T, S});
        for (std::size_t h = 0; h < H; ++h) {
            for (std::size_t t = 0; t < T; ++t) {
                for (std::size_t s = 0; s < S; ++s) {
                    // At distances below 8 a bucket is a distance; query t is token 2 + t of 6.
                    const std::size_t query = 2 + t;
                    const std::size_t after = sight == Sight::causal ? 0 : 16 + s - query;
                    const std::size_t bucket = s <= query ? query - s : after;
                    CAPTURE(t);
                    CAPTURE(s);
                    CHECK(bias(h, t, s) == table(bucket, h));
                }
            }
        }
    }
}

TEST_CASE("a table or token counts that do not fit T5's bias are errors") {
    CHECK(gemma::error_message([] { gemma::t5_position_bias(gemma::random_matrix(16, 3, 1), 2, 2, Sight::causal); }) ==
          "the table of T5's position bias has shape [16, 3], expected [32, 3]");
    CHECK(gemma::error_message([] { gemma::t5_position_bias(gemma::random_matrix(32, 3, 1), 3, 2, Sight::causal); }) ==
          "3 tokens attend to 2, expected at least as many");
}
