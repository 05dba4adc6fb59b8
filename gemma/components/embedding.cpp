#include "gemma/components/embedding.hpp"

#include "gemma/error.hpp"

#include <cmath>

namespace gemma {

Matrix embed(const std::vector<int>& tokens, const WeightMatrix& table, Trace trace) {
    const std::size_t T = tokens.size(), V = table.rows, D = table.columns;
    Matrix x = Matrix::from_shape({T, D});
    for (std::size_t t = 0; t < T; ++t) {
        if (tokens[t] < 0 || static_cast<std::size_t>(tokens[t]) >= V) {
            fail("token {} is {}, expected 0 to {}", t, tokens[t], V - 1);
        }
        copy_row(table, static_cast<std::size_t>(tokens[t]), &x(t, 0));
    }
    trace("embed_tokens", x);

    const float scale = std::sqrt(static_cast<float>(D));
    for (float& value : x) value *= scale;
    trace("embed_scaled", x);
    return x;
}

}  // namespace gemma
