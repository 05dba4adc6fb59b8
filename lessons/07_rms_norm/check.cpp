// Checks the exercise of lesson 07 against the library's rms_norm.

#include "gemma/components/rms_norm.hpp"
#include "lessons/07_rms_norm/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <string>

namespace {

// x is `size` large.
lesson::Trial trial(const std::string& name, std::size_t T, std::size_t D, double size) {
    lesson::Random random(700 + T);
    const gemma::Matrix x = random.normal<2>({T, D}, size);
    const gemma::Vector w = random.normal<1>({D}, 0.3);
    constexpr float eps = 1e-6f;
    return {name, [=](gemma::Trace trace) { gemma::rms_norm(x, w, eps, trace.scope("rms_norm")); },
            [=](gemma::Trace trace) { exercise::rms_norm(x, w, eps, trace.scope("rms_norm")); }};
}

void in_a_model(const gemma::Model& model, const std::vector<int>&, const gemma::Record& clean, gemma::Trace trace) {
    exercise::rms_norm(lesson::tensor_of<2>(clean, "model.embed_scaled"), model.weights().layers[0].input_layernorm,
                       model.config().rms_norm_eps, trace.scope("model.layers.0.input_layernorm"));
}

}  // namespace

int main() {
    return lesson::check_exercise(
        "07_rms_norm",
        {trial("5 tokens of 16 numbers", 5, 16, 3.0), trial("numbers so small that eps counts", 2, 16, 1e-3),
         trial("a vector of zeros", 1, 8, 0.0)},
        in_a_model);
}
