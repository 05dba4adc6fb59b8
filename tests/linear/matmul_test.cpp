#include "gemma/linear/matmul.hpp"

#include "gemma/precision.hpp"
#include "tests/linear/stored.hpp"
#include "tests/support/approx.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>

using gemma::ConstMatrixView;
using gemma::Matrix;
using gemma::Matrix64;
using gemma::MatrixView;

namespace {

double at(ConstMatrixView view, std::size_t row, std::size_t column) { return view.data[row * view.stride + column]; }

Matrix64 multiply64(ConstMatrixView a, ConstMatrixView b) {
    Matrix64 c = Matrix64::from_shape({a.rows, b.columns});
    c.fill(0.0);
    for (std::size_t i = 0; i < a.rows; ++i) {
        for (std::size_t j = 0; j < b.columns; ++j) {
            for (std::size_t k = 0; k < a.columns; ++k) c(i, j) += at(a, i, k) * at(b, k, j);
        }
    }
    return c;
}

Matrix64 multiply_transposed64(ConstMatrixView a, ConstMatrixView b, double scale) {
    Matrix64 c = Matrix64::from_shape({a.rows, b.rows});
    c.fill(0.0);
    for (std::size_t i = 0; i < a.rows; ++i) {
        for (std::size_t j = 0; j < b.rows; ++j) {
            for (std::size_t k = 0; k < a.columns; ++k) c(i, j) += scale * at(a, i, k) * at(b, j, k);
        }
    }
    return c;
}

struct Sizes {
    std::size_t m, k, n;
};

constexpr Sizes sizes[] = {{1, 1, 1},   {2, 3, 4},     {1, 64, 5},     {7, 33, 17},
                           {65, 20, 3}, {40, 130, 50}, {70, 601, 131}, {4, 601, 131}};

}  // namespace

TEST_CASE("multiply is a b") {
    for (const auto& [m, k, n] : sizes) {
        const Matrix a = gemma::random_matrix(m, k, 1), b = gemma::random_matrix(k, n, 2);
        Matrix c = Matrix::from_shape({m, n});
        c.fill(NAN);  // what was there before does not matter
        const ConstMatrixView a_view = {a.data(), m, k, k}, b_view = {b.data(), k, n, n};
        gemma::multiply(a_view, b_view, {c.data(), m, n, n});
        CHECK_CLOSE(c, multiply64(a_view, b_view), 1e-6);
    }
}

TEST_CASE("multiply_transposed is scale · a bᵀ") {
    for (const auto& [m, k, n] : sizes) {
        const Matrix a = gemma::random_matrix(m, k, 1), b = gemma::random_matrix(n, k, 2);
        Matrix c = Matrix::from_shape({m, n});
        c.fill(NAN);
        const ConstMatrixView a_view = {a.data(), m, k, k}, b_view = {b.data(), n, k, k};
        gemma::multiply_transposed(a_view, b_view, 0.25f, {c.data(), m, n, n});
        CHECK_CLOSE(c, multiply_transposed64(a_view, b_view, 0.25), 1e-6);
    }
}

TEST_CASE("both work on pieces of larger matrices and write nothing beside them") {
    const Matrix a = gemma::random_matrix(5, 12, 1), b = gemma::random_matrix(8, 12, 2);
    const ConstMatrixView a_view = {&a(1, 3), 4, 6, 12};     // rows 1 … 4, columns 3 … 8
    const ConstMatrixView b_rows = {&b(2, 5), 3, 6, 12};     // rows 2 … 4, columns 5 … 10
    const ConstMatrixView b_columns = {&b(1, 7), 6, 3, 12};  // rows 1 … 6, columns 7 … 9
    const auto check = [&](const Matrix& c, const Matrix64& expected) {
        Matrix64 whole = Matrix64::from_shape({6, 7});
        whole.fill(-99.0);
        for (std::size_t i = 0; i < 4; ++i) {
            for (std::size_t j = 0; j < 3; ++j) whole(1 + i, 2 + j) = expected(i, j);
        }
        CHECK_CLOSE(c, whole, 1e-7);
        for (std::size_t i = 0; i < 6; ++i) {
            for (std::size_t j = 0; j < 7; ++j) {
                if (whole(i, j) == -99.0) CHECK(c(i, j) == -99.0f);
            }
        }
    };
    Matrix c = Matrix::from_shape({6, 7});
    const MatrixView c_view = {&c(1, 2), 4, 3, 7};
    c.fill(-99.0f);
    gemma::multiply_transposed(a_view, b_rows, 1.0f, c_view);
    check(c, multiply_transposed64(a_view, b_rows, 1.0));
    c.fill(-99.0f);
    gemma::multiply(a_view, b_columns, c_view);
    check(c, multiply64(a_view, b_columns));
}

TEST_CASE("multiply takes b as it is stored") {
    for (const gemma::DType dtype : {gemma::DType::float32, gemma::DType::bfloat16, gemma::DType::float16}) {
        for (const auto& [m, k, n] : sizes) {
            CAPTURE(gemma::to_string(dtype));
            // Numbers of a that are bfloat16 numbers, as the keys and values of such a cache expect.
            const Matrix a = gemma::rounded(gemma::Precision::bfloat16, gemma::random_matrix(m, k, 1));
            const ConstMatrixView a_view = {a.data(), m, k, k};
            const gemma::Stored b(dtype, gemma::random_matrix(k, n, 2));
            Matrix b_wide = Matrix::from_shape({k, n});
            gemma::to_float32(b.bytes.data(), dtype, k * n, b_wide.data());
            Matrix c = Matrix::from_shape({m, n});
            c.fill(NAN);
            gemma::multiply(a_view, b.view(), {c.data(), m, n, n});
            CHECK_CLOSE(c, multiply64(a_view, {b_wide.data(), k, n, n}), 1e-6);
        }
    }
}

TEST_CASE("A row of a product with stored numbers is the same whatever the other rows are, and zeros at its end") {
    const std::size_t k = 70, n = 131;
    for (const gemma::DType dtype : {gemma::DType::float32, gemma::DType::bfloat16}) {
        for (const auto& [whole, piece] : {std::pair<std::size_t, std::size_t>{40, 5}, {97, 8}, {4, 1}}) {
            CAPTURE(gemma::to_string(dtype));
            Matrix a = gemma::rounded(gemma::Precision::bfloat16, gemma::random_matrix(whole, k, 1));
            for (std::size_t i = 0; i < whole; ++i) std::fill(&a(i, 50), &a(i, 0) + k, 0.0f);
            const gemma::Stored b(dtype, gemma::random_matrix(k, n, 2));
            gemma::WeightMatrix first_rows = b.view();
            first_rows.rows = 50;
            Matrix c = Matrix::from_shape({whole, n}), row = Matrix::from_shape({piece, n});
            gemma::multiply({a.data(), whole, k, k}, b.view(), {c.data(), whole, n, n});
            for (std::size_t i = 0; i + piece <= whole; ++i) {
                gemma::multiply({&a(i, 0), piece, 50, k}, first_rows, {row.data(), piece, n, n});
                CHECK(std::equal(row.begin(), row.end(), &c(i, 0)));
            }
        }
    }
}
