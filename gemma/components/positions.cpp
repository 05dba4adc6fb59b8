#include "gemma/components/positions.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <cmath>

namespace gemma {

namespace {

// The bucket of a distance among `buckets`, of which the first half hold one distance each.
std::size_t bucket_of_distance(std::size_t distance, std::size_t buckets) {
    const std::size_t exact = buckets / 2;
    if (distance < exact) return distance;
    const double way_to_last = std::log(static_cast<double>(distance) / static_cast<double>(exact)) /
                               std::log(static_cast<double>(t5_max_distance) / static_cast<double>(exact));
    const std::size_t logarithmic = static_cast<std::size_t>(static_cast<double>(buckets - exact) * way_to_last);
    return std::min(exact + logarithmic, buckets - 1);
}

}  // namespace

Matrix learned_positions(const Matrix& table, std::size_t first_position, std::size_t tokens) {
    const std::size_t positions = table.shape(0), D = table.shape(1);
    if (first_position + tokens > positions) {
        fail("positions {} to {} are not in the table of learned positions, expected 0 to {}", first_position,
             first_position + tokens - 1, positions - 1);
    }
    Matrix rows = Matrix::from_shape({tokens, D});
    std::copy_n(table.data() + first_position * D, tokens * D, rows.data());
    return rows;
}

Matrix sinusoidal_positions(std::size_t first_position, std::size_t tokens, std::size_t hidden_size) {
    if (hidden_size % 2 != 0) {
        fail("hidden_size is {}, expected an even number: sinusoids come in pairs of a sine and a cosine", hidden_size);
    }
    Matrix positions = Matrix::from_shape({tokens, hidden_size});
    for (std::size_t j = 0; j < hidden_size / 2; ++j) {
        const double exponent = static_cast<double>(2 * j) / static_cast<double>(hidden_size);
        const double frequency = std::pow(10000.0, -exponent);
        for (std::size_t t = 0; t < tokens; ++t) {
            const double angle = static_cast<double>(first_position + t) * frequency;
            positions(t, 2 * j) = static_cast<float>(std::sin(angle));
            positions(t, 2 * j + 1) = static_cast<float>(std::cos(angle));
        }
    }
    return positions;
}

Matrix add_positions(Matrix x, Matrix positions, Trace trace) {
    require_shape("the matrix of positions", positions, shape_of(x));
    trace("positions", positions);
    for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] += positions.data()[i];
    trace(x);
    return x;
}

std::size_t t5_bucket(std::ptrdiff_t offset, Sight sight) {
    const std::size_t distance = static_cast<std::size_t>(std::abs(offset));
    const bool after = offset > 0;
    if (sight == Sight::causal) return after ? 0 : bucket_of_distance(distance, t5_buckets);
    const std::size_t side = t5_buckets / 2;
    return (after ? side : 0) + bucket_of_distance(distance, side);
}

Tensor3 t5_position_bias(const Matrix& table, std::size_t T, std::size_t S, Sight sight) {
    const std::size_t H = table.shape(1);
    require_shape("the table of T5's position bias", table, {t5_buckets, H});
    if (S < T) fail("{} tokens attend to {}, expected at least as many", T, S);
    Tensor3 bias = Tensor3::from_shape({H, T, S});
    for (std::size_t t = 0; t < T; ++t) {
        const std::size_t query = S - T + t;
        for (std::size_t key = 0; key < S; ++key) {
            const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(key) - static_cast<std::ptrdiff_t>(query);
            const std::size_t bucket = t5_bucket(offset, sight);
            for (std::size_t h = 0; h < H; ++h) bias(h, t, key) = table(bucket, h);
        }
    }
    return bias;
}

}  // namespace gemma
