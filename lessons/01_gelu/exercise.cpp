// For you to fill in. Three loops over all numbers, one for each part of the formula; the trace shows each part to the
// check, which says how far off it is.
//
// The number i of a matrix m is m.data()[i]; there are m.size() of them, row after row.

#include "lessons/01_gelu/exercise.hpp"

namespace exercise {

using gemma::Matrix;

Matrix gelu(const Matrix& x, gemma::Trace trace) {
    const std::size_t T = x.shape(0), F = x.shape(1);

    // What stands inside tanh, [T, F]: √(2/π) (x + 0.044715 x³). √(2/π) is 0.7978845608.
    Matrix inner = xt::zeros<float>({T, F});
    // your code: inner.data()[i] = ... for each i
    trace("inner", inner);

    // Its hyperbolic tangent, between -1 and 1, [T, F]. std::tanh is in <cmath>.
    Matrix tanh = xt::zeros<float>({T, F});
    // your code: tanh.data()[i] = ... for each i
    trace("tanh", tanh);

    // Half of x, opened by the gate (1 + tanh), [T, F].
    Matrix output = xt::zeros<float>({T, F});
    // your code: output.data()[i] = ... for each i
    trace("output", output);
    return output;
}

}  // namespace exercise
