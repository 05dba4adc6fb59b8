#include "gemma/linear/linear.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

using gemma::DType;
using gemma::linear;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::WeightMatrix;

namespace {

// A number from its sign, exponent and fraction, as IEEE 754 writes it down.
double decode(std::uint32_t bits, int exponent_bits, int fraction_bits) {
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const int fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1));
    const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const bool negative = ((bits >> (fraction_bits + exponent_bits)) & 1) != 0;
    const double magnitude = exponent == 0
                                 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                 : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    return negative ? -magnitude : magnitude;
}

// A random weight [out, in] stored in a dtype.
struct Stored {
    Stored(DType dtype, std::size_t out, std::size_t in)
        : dtype(dtype), out(out), in(in), bytes(out * in * size_of(dtype)) {
        const Matrix values = gemma::random_matrix(out, in, 7);
        gemma::from_float32(values.data(), values.size(), dtype, bytes.data());
    }

    WeightMatrix view() const { return {dtype, bytes.data(), out, in}; }

    double at(std::size_t row, std::size_t column) const {
        const std::byte* number = bytes.data() + (row * in + column) * size_of(dtype);
        if (dtype == DType::float32) {
            float value;
            std::memcpy(&value, number, sizeof value);
            return value;
        }
        std::uint16_t bits;
        std::memcpy(&bits, number, sizeof bits);
        return dtype == DType::bfloat16 ? decode(bits, 8, 7) : decode(bits, 5, 10);
    }

    DType dtype;
    std::size_t out, in;
    std::vector<std::byte> bytes;
};

Matrix64 linear64(const Matrix& x, const Stored& weight) {
    Matrix64 y = Matrix64::from_shape({x.shape(0), weight.out});
    y.fill(0.0);
    for (std::size_t o = 0; o < weight.out; ++o) {
        for (std::size_t i = 0; i < weight.in; ++i) {
            const double w = weight.at(o, i);
            for (std::size_t t = 0; t < x.shape(0); ++t) y(t, o) += x(t, i) * w;
        }
    }
    return y;
}

constexpr DType dtypes[] = {DType::float32, DType::bfloat16, DType::float16};

}  // namespace

TEST_CASE("linear is x Wᵀ: known numbers") {
    const Matrix W = {{1.0f, 2.0f, 3.0f}, {0.0f, -1.0f, 0.5f}};  // [out, in] = [2, 3]
    const Matrix y = linear(Matrix{{1.0f, 10.0f, 100.0f}}, WeightMatrix::of(W));
    CHECK_CLOSE(y, (Matrix{{321.0f, 40.0f}}), 0.0);
}

TEST_CASE("linear agrees with double loops in each dtype, for one token and many") {
    for (const DType dtype : dtypes) {
        for (const auto& [out, in] :
             {std::pair<std::size_t, std::size_t>{1, 1}, {3, 5}, {64, 64}, {33, 257}, {130, 20}}) {
            const Stored weight(dtype, out, in);
            for (const std::size_t T : {1, 2, 3, 7, 17}) {
                const Matrix x = gemma::random_matrix(T, in, 1);
                CAPTURE(gemma::to_string(dtype));
                CAPTURE(T);
                CHECK_CLOSE(linear(x, weight.view()), linear64(x, weight), 1e-6);
            }
        }
    }
}

TEST_CASE("a weight larger than a tile, and not a multiple of it") {
    // A tile is 1 MiB of float32: 374 rows of 700 numbers; 1001 rows are two tiles and a piece.
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 1001, 700);
        for (const std::size_t T : {1, 5}) {
            const Matrix x = gemma::random_matrix(T, 700, 1);
            CAPTURE(gemma::to_string(dtype));
            CAPTURE(T);
            CHECK_CLOSE(linear(x, weight.view()), linear64(x, weight), 2e-6);
        }
    }
}

TEST_CASE("a row longer than a tile") {
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 2, 300001);
        const Matrix x = gemma::random_matrix(2, 300001, 1);
        CAPTURE(gemma::to_string(dtype));
        CHECK_CLOSE(linear(x, weight.view()), linear64(x, weight), 5e-6);
    }
}

TEST_CASE("linear works on pieces of larger tensors and writes nothing beside them") {
    const std::size_t T = 4, in = 6, out = 5;
    const Matrix wide = gemma::random_matrix(T, in + 3, 1);  // x is columns 2 … 7
    Matrix x = Matrix::from_shape({T, in});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t i = 0; i < in; ++i) x(t, i) = wide(t, 2 + i);
    }
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, out, in);
        Matrix target = Matrix::from_shape({T, out + 4});  // y is columns 1 … 5
        target.fill(-99.0f);
        linear({&wide(0, 2), T, in, in + 3}, weight.view(), {&target(0, 1), T, out, out + 4});
        const Matrix64 expected = linear64(x, weight);
        Matrix64 expected_target = Matrix64::from_shape({T, out + 4});
        expected_target.fill(-99.0);
        for (std::size_t t = 0; t < T; ++t) {
            for (std::size_t o = 0; o < out; ++o) expected_target(t, 1 + o) = expected(t, o);
            CHECK(target(t, 0) == -99.0f);
            for (std::size_t beside = out + 1; beside < out + 4; ++beside) CHECK(target(t, beside) == -99.0f);
        }
        CHECK_CLOSE(target, expected_target, 1e-7);
    }
}

TEST_CASE("one row alone is the row of many") {
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 130, 200);
        const Matrix x = gemma::random_matrix(5, 200, 1), all = linear(x, weight.view());
        for (std::size_t t = 0; t < 5; ++t) {
            Matrix row = Matrix::from_shape({1, 200}), expected = Matrix::from_shape({1, 130});
            std::copy_n(&x(t, 0), 200, row.data());
            std::copy_n(&all(t, 0), 130, expected.data());
            CHECK_CLOSE(linear(row, weight.view()), expected, 1e-6);
        }
    }
}

TEST_CASE("shapes that do not fit are errors with both shapes") {
    const Matrix W = gemma::random_matrix(4, 6, 1);
    CHECK(gemma::error_message([&] { linear(gemma::random_matrix(2, 5, 1), WeightMatrix::of(W)); }) ==
          "the input of a linear map has shape [2, 5], expected [2, 6]");
    const Matrix x = gemma::random_matrix(2, 6, 1);
    Matrix y = Matrix::from_shape({2, 3});
    CHECK(gemma::error_message([&] {
              linear({x.data(), 2, 6, 6}, WeightMatrix::of(W), {y.data(), 2, 3, 3});
          }) == "the output of a linear map has shape [2, 3], expected [2, 4]");
}

TEST_CASE("copy_row is one row, as float32") {
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 5, 9);
        for (const std::size_t index : {0, 2, 4}) {
            std::vector<float> row(9);
            gemma::copy_row(weight.view(), index, row.data());
            for (std::size_t i = 0; i < 9; ++i) CHECK(row[i] == weight.at(index, i));
        }
    }
}
