// Checks exercise::gelu: its parts against the formula in double precision, its output against the library.

#include "gemma/components/gelu.hpp"
#include "lessons/01_gelu/exercise.hpp"
#include "lessons/exercise.hpp"

#include <cmath>
#include <string>

namespace {

using gemma::Matrix;

void right(const Matrix& x, gemma::Trace trace) {
    Matrix inner = x, tanh = x;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double value = x.data()[i];
        const double inside = std::sqrt(2.0 / 3.141592653589793) * (value + 0.044715 * value * value * value);
        inner.data()[i] = static_cast<float>(inside);
        tanh.data()[i] = static_cast<float>(std::tanh(inside));
    }
    trace("inner", inner);
    trace("tanh", tanh);
    Matrix output = gemma::gelu(x, gemma::Gelu::tanh);
    trace("output", output);
}

lesson::Trial trial(const std::string& input, const Matrix& x) {
    return {input, [x](gemma::Trace trace) { right(x, trace); }, [x](gemma::Trace trace) { exercise::gelu(x, trace); }};
}

// The activation of the gates of a layer.
void in_a_model(const gemma::Model&, const std::vector<int>&, const gemma::Record& clean, gemma::Trace trace) {
    Matrix activated = exercise::gelu(lesson::tensor_of<2>(clean, "model.layers.0.mlp.gate_proj"));
    trace("model.layers.0.mlp.act_fn", activated);
}

}  // namespace

int main() {
    return lesson::check_exercise(
        "01_gelu",
        {trial("2 tokens of 4 numbers", {{0.5f, -1.0f, 2.0f, -0.1f}, {1.0f, -0.75f, 0.25f, 3.0f}}),
         trial("where the two forms differ most", {{2.699f, -2.699f}}),
         trial("far from zero, and zero itself", {{20.0f, -20.0f, 0.0f, -5.0f}})},
        in_a_model);
}
