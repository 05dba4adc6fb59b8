// The cheap form, x σ(1.702 x).
#include "lessons/01_gelu/exercise.hpp"

#include <cmath>

gemma::Matrix exercise::gelu(const gemma::Matrix& x, gemma::Trace trace) {
    gemma::Matrix output = x;
    for (float& value : output) value /= 1.0f + std::exp(-1.702f * value);
    trace("output", output);
    return output;
}
