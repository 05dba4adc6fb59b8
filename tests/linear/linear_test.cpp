#include "gemma/linear/linear.hpp"

#include "tests/linear/stored.hpp"
#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>
#include <vector>

using gemma::DType;
using gemma::dtypes;
using gemma::linear;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::Stored;
using gemma::WeightMatrix;

namespace {

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

TEST_CASE("a weight of many pieces, whose rows are longer than a chunk") {
    // Pieces are at most 96 rows, or 256 KiB of them; chunks are 512 units.
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 301, 1500);
        for (const std::size_t T : {1, 5}) {
            const Matrix x = gemma::random_matrix(T, 1500, 1);
            CAPTURE(gemma::to_string(dtype));
            CAPTURE(T);
            CHECK_CLOSE(linear(x, weight.view()), linear64(x, weight), 2e-6);
        }
    }
}

TEST_CASE("a row longer than a piece") {
    for (const DType dtype : dtypes) {
        const Stored weight(dtype, 2, 300001);
        for (const std::size_t T : {2, 5}) {
            const Matrix x = gemma::random_matrix(T, 300001, 1);
            CAPTURE(gemma::to_string(dtype));
            CAPTURE(T);
            CHECK_CLOSE(linear(x, weight.view()), linear64(x, weight), 5e-6);
        }
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

TEST_CASE("linear_pair gives the very numbers of two linear maps and what combines them") {
    const auto combine = [](float* a, const float* b, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) a[i] = std::tanh(a[i]) * b[i];
    };
    for (const DType dtype : dtypes) {
        const Stored a(dtype, gemma::random_matrix(131, 70, 2)), b(dtype, gemma::random_matrix(131, 70, 3));
        for (const gemma::Precision precision : {gemma::Precision::float32, gemma::Precision::bfloat16}) {
            for (const std::size_t T : {1, 3, 9, 130}) {
                const Matrix x = gemma::rounded(precision, gemma::random_matrix(T, 70, 1));
                Matrix expected = linear(x, a.view(), precision);
                const Matrix other = linear(x, b.view(), precision);
                combine(expected.data(), other.data(), expected.size());
                CAPTURE(gemma::to_string(dtype));
                CAPTURE(T);
                CHECK_CLOSE(gemma::linear_pair(x, a.view(), b.view(), combine, precision), expected, 0.0);
            }
        }
    }
}

TEST_CASE("the weights of a pair have one shape") {
    const Matrix a = gemma::random_matrix(4, 6, 1), b = gemma::random_matrix(5, 6, 1);
    CHECK(gemma::error_message([&] {
              gemma::linear_pair(gemma::random_matrix(2, 6, 1), WeightMatrix::of(a), WeightMatrix::of(b),
                                 [](float*, const float*, std::size_t) {});
          }) == "the second weight of a pair has shape [5, 6], expected [4, 6]");
}
