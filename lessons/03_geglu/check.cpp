// Checks exercise::feed_forward against the library's.

#include "gemma/checkpoint/embedded.hpp"
#include "gemma/model/model.hpp"
#include "lessons/03_geglu/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <string>

namespace {

using gemma::Matrix;

lesson::Trial trial(const std::string& input, const Matrix& x, const gemma::FeedForwardWeights& weights) {
    return {input, [x, weights](gemma::Trace trace) { gemma::feed_forward(x, weights, trace); },
            [x, weights](gemma::Trace trace) { exercise::feed_forward(x, weights, trace); }};
}

void in_a_model(const gemma::Model& model, const std::vector<int>&, const gemma::Record& clean, gemma::Trace trace) {
    exercise::feed_forward(lesson::tensor_of<2>(clean, "model.layers.0.post_attention_layernorm"),
                           model.weights().layers[0].mlp, trace.scope("model.layers.0.mlp"));
}

}  // namespace

int main() {
    lesson::Random random(3);
    const std::size_t D = 4, F = 6;
    const Matrix gate = random.normal<2>({F, D}), up = random.normal<2>({F, D}), down = random.normal<2>({D, F});
    const gemma::FeedForwardWeights weights{gemma::WeightMatrix::of(gate), gemma::WeightMatrix::of(up),
                                            gemma::WeightMatrix::of(down)};
    const gemma::Model model(gemma::embedded_model());
    const std::size_t model_D = model.config().hidden_size;
    return lesson::check_exercise(
        "03_geglu",
        {trial("3 tokens of 4 numbers, F = 6", random.normal<2>({3, D}), weights),
         trial("large inputs: gates wide open or shut", random.normal<2>({2, D}, 20.0), weights),
         trial("layer 0 of the small model, weights as stored, 5 tokens", random.normal<2>({5, model_D}),
               model.weights().layers[0].mlp)},
        in_a_model);
}
