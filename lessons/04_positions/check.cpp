// Checks the exercise of lesson 04 against the closed form, in double, and against the library.
#include "gemma/components/positions.hpp"
#include "lessons/04_positions/exercise.hpp"
#include "lessons/exercise.hpp"

#include <cmath>

namespace {

void show_right(std::size_t first_position, std::size_t tokens, std::size_t hidden_size, gemma::Trace trace) {
    gemma::Vector frequencies = gemma::Vector::from_shape({hidden_size / 2});
    gemma::Matrix angles = gemma::Matrix::from_shape({tokens, hidden_size / 2});
    for (std::size_t j = 0; j < hidden_size / 2; ++j) {
        const double frequency = std::pow(10000.0, -2.0 * static_cast<double>(j) / static_cast<double>(hidden_size));
        frequencies(j) = static_cast<float>(frequency);
        for (std::size_t t = 0; t < tokens; ++t) {
            angles(t, j) = static_cast<float>(static_cast<double>(first_position + t) * frequency);
        }
    }
    gemma::Matrix positions = gemma::sinusoidal_positions(first_position, tokens, hidden_size);
    trace("frequencies", frequencies);
    trace("angles", angles);
    trace("positions", positions);
}

lesson::Trial trial(const char* input, std::size_t first_position, std::size_t tokens, std::size_t hidden_size) {
    return {input, [=](gemma::Trace trace) { show_right(first_position, tokens, hidden_size, trace); },
            [=](gemma::Trace trace) { exercise::sinusoidal_positions(first_position, tokens, hidden_size, trace); }};
}

}  // namespace

int main() {
    return lesson::check_exercise("04_positions",
                                  {trial("positions 0 to 4, 8 numbers each", 0, 5, 8),
                                   trial("positions 30 to 32: the first row is not position 0", 30, 3, 12),
                                   trial("one position, one pair: the frequency is 1", 7, 1, 2)});
}
