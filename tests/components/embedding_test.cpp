#include "gemma/components/embedding.hpp"

#include "tests/support/approx.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/names_observer.hpp"
#include "tests/support/random_tensor.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using doctest::Approx;
using gemma::Matrix;
using gemma::Trace;
using gemma::WeightMatrix;

TEST_CASE("embed looks rows up and scales them by √D") {
    const Matrix table = gemma::random_matrix(7, 5, 1);
    const std::vector<int> tokens = {6, 0, 3, 3};
    gemma::Matrix64 expected = gemma::Matrix64::from_shape({4, 5});
    for (std::size_t t = 0; t < 4; ++t) {
        for (std::size_t i = 0; i < 5; ++i)
            expected(t, i) = table(static_cast<std::size_t>(tokens[t]), i) * std::sqrt(5.0);
    }
    CHECK_CLOSE(gemma::embed(tokens, WeightMatrix::of(table)), expected, 1e-7);
}

TEST_CASE("the scale is the square root of the hidden size, in float32") {
    for (const auto& [D, scale] : {std::pair<std::size_t, double>{2048, 45.2548}, {3072, 55.4256}, {256, 16.0}}) {
        Matrix table = Matrix::from_shape({1, D});
        table.fill(1.0f);
        CHECK(gemma::embed({0}, WeightMatrix::of(table))(0, D - 1) == Approx(scale).epsilon(1e-6));
    }
}

TEST_CASE("embed reads a table in the format of its file") {
    const std::uint16_t table[] = {0x3f80, 0xbf80, 0x4049, 0x0000};  // bfloat16: 1, -1; 3.140625, 0
    const WeightMatrix bfloat16 = {gemma::DType::bfloat16, reinterpret_cast<const std::byte*>(table), 2, 2};
    const Matrix x = gemma::embed({1, 0}, bfloat16);
    CHECK(x(0, 0) == Approx(3.140625 * std::sqrt(2.0)).epsilon(1e-7));
    CHECK(x(0, 1) == 0.0f);
    CHECK(x(1, 0) == Approx(std::sqrt(2.0)).epsilon(1e-7));
    CHECK(x(1, 1) == Approx(-std::sqrt(2.0)).epsilon(1e-7));
}

TEST_CASE("a token out of range is an error that names it") {
    const Matrix table = gemma::random_matrix(7, 5, 1);
    CHECK(gemma::error_message([&] {
              gemma::embed({1, 7}, WeightMatrix::of(table));
          }) == "token 1 is 7, expected 0 to 6");
    CHECK(gemma::error_message([&] { gemma::embed({-1}, WeightMatrix::of(table)); }) ==
          "token 0 is -1, expected 0 to 6");
}

TEST_CASE("embed shows the rows before and after the scale") {
    const Matrix table = gemma::random_matrix(7, 5, 1);
    gemma::NamesObserver observer;
    gemma::embed({1, 2, 3}, WeightMatrix::of(table), Trace(observer, "model"));
    CHECK(observer.names == gemma::Names{"model.embed_tokens", "model.embed_scaled"});
    CHECK(observer.shapes == gemma::Shapes{{3, 5}, {3, 5}});
}

TEST_CASE("editing the rows changes what is scaled") {
    const Matrix table = gemma::random_matrix(7, 4, 1);
    gemma::NamesObserver observer;
    observer.fill_at("embed_tokens", 1.5f);
    for (const float value : gemma::embed({1, 2}, WeightMatrix::of(table), Trace(observer))) CHECK(value == 3.0f);
}
