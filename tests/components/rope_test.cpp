#include "gemma/components/rope.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using doctest::Approx;
using gemma::Matrix;
using gemma::rope;
using gemma::rope_frequencies;
using gemma::rope_rotation;
using gemma::Rotation;
using gemma::Tensor3;
using gemma::Vector;

namespace {

// A vector as one head of one token, turned to a position.
Tensor3 turned(const Vector& x, std::size_t position) {
    Tensor3 head = Tensor3::from_shape({1, 1, x.size()});
    std::copy(x.begin(), x.end(), head.begin());
    return rope(head, rope_rotation(position, 1, x.size()));
}

template <typename A, typename B>
double dot(const A& a, const B& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a.data()[i]) * b.data()[i];
    return sum;
}

// The paper's RoPE, in double: number 2j is turned with its neighbour 2j + 1.
gemma::Tensor3_64 interleaved_rope64(const Tensor3& x, std::size_t first_position) {
    const std::size_t T = x.shape(0), heads = x.shape(1), d = x.shape(2);
    gemma::Tensor3_64 y = gemma::Tensor3_64::from_shape({T, heads, d});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < d / 2; ++j) {
                const double frequency = std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(d));
                const double angle = static_cast<double>(first_position + t) * frequency;
                const double a = x(t, h, 2 * j), b = x(t, h, 2 * j + 1);
                y(t, h, 2 * j) = a * std::cos(angle) - b * std::sin(angle);
                y(t, h, 2 * j + 1) = a * std::sin(angle) + b * std::cos(angle);
            }
        }
    }
    return y;
}

// From pairs of neighbours (2j, 2j + 1) to the pairs (j, j + d/2).
template <typename Tensor>
Tensor to_half_split(const Tensor& x) {
    Tensor y = x;
    const std::size_t d = x.shape(2);
    for (std::size_t t = 0; t < x.shape(0); ++t) {
        for (std::size_t h = 0; h < x.shape(1); ++h) {
            for (std::size_t j = 0; j < d / 2; ++j) {
                y(t, h, j) = x(t, h, 2 * j);
                y(t, h, j + d / 2) = x(t, h, 2 * j + 1);
            }
        }
    }
    return y;
}

}  // namespace

TEST_CASE("the frequencies of a head of 256") {
    const Vector theta = rope_frequencies(256);
    CHECK(theta.size() == 128);
    CHECK(theta(0) == 1.0f);
    CHECK(theta(64) == 0.01f);
    CHECK(theta(127) == Approx(1.07461e-4).epsilon(1e-6));
    for (std::size_t j = 0; j < 128; ++j) {
        CHECK(theta(j) == Approx(std::pow(10000.0, -static_cast<double>(2 * j) / 256.0)).epsilon(3e-7));
    }
}

TEST_CASE("another base: theta") { CHECK(rope_frequencies(4, 100.0f)(1) == Approx(0.1).epsilon(1e-7)); }

TEST_CASE("an odd or empty head is an error") {
    CHECK(gemma::error_message([] { rope_frequencies(7); }) ==
          "head_dim is 7, expected an even number: RoPE turns pairs");
    CHECK(gemma::error_message([] { rope_rotation(0, 1, 0); }) ==
          "head_dim is 0, expected an even number: RoPE turns pairs");
}

TEST_CASE("one pair turns by its position, in radians") {
    const Tensor3 y = turned({3.0f, 4.0f}, 2);
    CHECK(y(0, 0, 0) == Approx(3.0 * std::cos(2.0) - 4.0 * std::sin(2.0)).epsilon(1e-6));
    CHECK(y(0, 0, 1) == Approx(3.0 * std::sin(2.0) + 4.0 * std::cos(2.0)).epsilon(1e-6));
}

TEST_CASE("at position 0 nothing turns") {
    const Vector x = gemma::random_vector(32, 1);
    const Tensor3 y = turned(x, 0);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(y(0, 0, i) == x(i));
}

TEST_CASE("turning keeps the length of each pair, and of the vector") {
    const Vector x = gemma::random_vector(32, 1);
    for (const std::size_t position : {1, 2, 17, 500, 8191}) {
        const Tensor3 y = turned(x, position);
        CHECK(dot(y, y) == Approx(dot(x, x)).epsilon(1e-6));
        for (std::size_t j = 0; j < 16; ++j) {
            CHECK(std::hypot(y(0, 0, j), y(0, 0, j + 16)) == Approx(std::hypot(x(j), x(j + 16))).epsilon(1e-6));
        }
    }
}

TEST_CASE("a score knows the distance of query and key only") {
    const Vector query = gemma::random_vector(64, 1), key = gemma::random_vector(64, 2);
    const double length = std::sqrt(dot(query, query) * dot(key, key));
    for (const std::size_t distance : {0, 1, 3, 20}) {
        const double score = dot(turned(query, 5 + distance), turned(key, 5));
        for (const std::size_t shift : {1, 10, 100, 1000}) {
            const double shifted = dot(turned(query, 5 + distance + shift), turned(key, 5 + shift));
            CAPTURE(distance);
            CAPTURE(shift);
            CHECK(std::fabs(shifted - score) / length <= 1e-4);
        }
    }
    // And another distance gives another score, in both directions.
    const double here = dot(turned(query, 5), turned(key, 5));
    const double ahead = dot(turned(query, 8), turned(key, 5)), behind = dot(turned(query, 5), turned(key, 8));
    CHECK(std::fabs(ahead - here) / length > 1e-2);
    CHECK(std::fabs(ahead - behind) / length > 1e-2);
}

TEST_CASE("half-split RoPE is the paper's interleaved one in another order") {
    const std::size_t T = 6, d = 32, first_position = 3;
    const Tensor3 x = gemma::random_tensor<3>({T, 2, d}, 1);
    const Tensor3 y = rope(to_half_split(x), rope_rotation(first_position, T, d));
    CHECK_CLOSE(y, to_half_split(interleaved_rope64(x, first_position)), 2e-6);
}

TEST_CASE("without the change of order they differ, but not at position 0") {
    const std::size_t d = 32;
    const Tensor3 x = gemma::random_tensor<3>({1, 2, d}, 1);
    CHECK_CLOSE(rope(x, rope_rotation(0, 1, d)), interleaved_rope64(x, 0), 0.0);
    CHECK(gemma::largest_difference("position 1", rope(x, rope_rotation(1, 1, d)), interleaved_rope64(x, 1)).relative >
          0.1);
}

TEST_CASE("a rotation that starts in the middle is a part of the whole") {
    const Rotation all = rope_rotation(0, 40, 16), tail = rope_rotation(37, 3, 16);
    for (std::size_t t = 0; t < 3; ++t) {
        for (std::size_t j = 0; j < 8; ++j) {
            CHECK(tail.cos(t, j) == all.cos(37 + t, j));
            CHECK(tail.sin(t, j) == all.sin(37 + t, j));
        }
    }
}

TEST_CASE("angles are float32: positions that bfloat16 would merge stay apart") {
    const Rotation near = rope_rotation(256, 2, 256), far = rope_rotation(8188, 4, 256);
    CHECK(near.sin(0, 0) == Approx(std::sin(256.0)).epsilon(1e-6));
    CHECK(near.sin(1, 0) == Approx(std::sin(257.0)).epsilon(1e-6));
    for (std::size_t t = 0; t < 4; ++t) {
        // At frequency 1 the angle is a whole number: exact.
        CHECK(far.cos(t, 0) == Approx(std::cos(8188.0 + static_cast<double>(t))).epsilon(1e-6));
        // At the slowest frequency the angle is rounded to float32, and the cosine is that of the rounded angle.
        const float angle = static_cast<float>(8188 + t) * rope_frequencies(256)(127);
        CHECK(far.cos(t, 127) == Approx(std::cos(static_cast<double>(angle))).epsilon(1e-6));
        if (t > 0) CHECK(far.cos(t, 127) != far.cos(t - 1, 127));
    }
}

TEST_CASE("all heads of a token turn alike, and tokens by their own position") {
    const std::size_t T = 3, heads = 4, d = 8;
    const Tensor3 x = gemma::random_tensor<3>({T, heads, d}, 1);
    const Tensor3 y = rope(x, rope_rotation(7, T, d));
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            Vector head = Vector::from_shape({d});
            for (std::size_t i = 0; i < d; ++i) head(i) = x(t, h, i);
            const Tensor3 alone = turned(head, 7 + t);
            for (std::size_t i = 0; i < d; ++i) CHECK(y(t, h, i) == alone(0, 0, i));
        }
    }
}

TEST_CASE("a rotation for other tokens or another head is an error with both shapes") {
    const Tensor3 x = gemma::random_tensor<3>({3, 2, 8}, 1);
    CHECK(gemma::error_message([&] { rope(x, rope_rotation(0, 4, 8)); }) ==
          "the rotation of RoPE has shape [4, 4], expected [3, 4]");
    CHECK(gemma::error_message([&] { rope(x, rope_rotation(0, 3, 16)); }) ==
          "the rotation of RoPE has shape [3, 8], expected [3, 4]");
}
