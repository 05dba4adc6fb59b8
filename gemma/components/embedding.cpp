#include "gemma/components/embedding.hpp"

#include "gemma/error.hpp"
#include "gemma/parallel.hpp"

#include <cmath>

namespace gemma {

Matrix embed(const std::vector<int>& tokens, const WeightMatrix& table, Trace trace, Precision precision) {
    const std::size_t T = tokens.size(), V = table.rows, D = table.columns;
    const auto for_each_token = [T](const auto& step) {
        parallel_for(T, 8, [&](std::size_t first, std::size_t last) {
            for (std::size_t t = first; t < last; ++t) step(t);
        });
    };
    Matrix x = Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        if (tokens[t] < 0 || static_cast<std::size_t>(tokens[t]) >= V) {
            fail("token {} is {}, expected 0 to {}", t, tokens[t], V - 1);
        }
    }
    for_each_token([&](std::size_t t) {
        copy_row(table, static_cast<std::size_t>(tokens[t]), &x(t, 0));
        round_to(precision, &x(t, 0), D);
    });
    trace("embed_tokens", x);

    float scale = std::sqrt(static_cast<float>(D));
    round_to(precision, &scale, 1);
    for_each_token([&](std::size_t t) {
        for (std::size_t i = 0; i < D; ++i) x(t, i) *= scale;
        round_to(precision, &x(t, 0), D);
    });
    trace("embed_scaled", x);
    return x;
}

}  // namespace gemma
