// One that works.

#include "lessons/01_gelu/exercise.hpp"

#include <cmath>

namespace exercise {

using gemma::Matrix;

Matrix gelu(const Matrix& x, gemma::Trace trace) {
    const std::size_t T = x.shape(0), F = x.shape(1);
    const float sqrt_2_over_pi = 0.7978845608f;

    Matrix inner = xt::zeros<float>({T, F});
    for (std::size_t i = 0; i < x.size(); ++i) {
        const float value = x.data()[i];
        inner.data()[i] = sqrt_2_over_pi * (value + 0.044715f * value * value * value);
    }
    trace("inner", inner);

    Matrix tanh = xt::zeros<float>({T, F});
    for (std::size_t i = 0; i < x.size(); ++i) tanh.data()[i] = std::tanh(inner.data()[i]);
    trace("tanh", tanh);

    Matrix output = xt::zeros<float>({T, F});
    for (std::size_t i = 0; i < x.size(); ++i) output.data()[i] = 0.5f * x.data()[i] * (1.0f + tanh.data()[i]);
    trace("output", output);
    return output;
}

}  // namespace exercise
