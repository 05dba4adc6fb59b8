// Checks the exercise of lesson 05 against the library.
#include "gemma/components/rope.hpp"
#include "lessons/05_rope/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

namespace {

using gemma::Matrix;
using gemma::Tensor3;
using gemma::Vector;

void show_right(const Tensor3& x, std::size_t first_position, float theta, gemma::Trace trace) {
    const std::size_t T = x.shape(0), heads = x.shape(1), d = x.shape(2), pairs = d / 2;
    Vector frequencies = gemma::rope_frequencies(d, theta);
    trace("frequencies", frequencies);

    Matrix angles = Matrix::from_shape({T, pairs});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t j = 0; j < pairs; ++j) angles(t, j) = static_cast<float>(first_position + t) * frequencies(j);
    }
    trace("angles", angles);

    gemma::Rotation rotation = gemma::rope_rotation(first_position, T, d, theta);
    trace("cos", rotation.cos);
    trace("sin", rotation.sin);

    Tensor3 turned = gemma::rope(x, rotation);
    Tensor3 first_half = Tensor3::from_shape({T, heads, pairs}), second_half = Tensor3::from_shape({T, heads, pairs});
    for (std::size_t t = 0; t < T; ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
            for (std::size_t j = 0; j < pairs; ++j) {
                first_half(t, h, j) = turned(t, h, j);
                second_half(t, h, j) = turned(t, h, j + pairs);
            }
        }
    }
    trace("first_half", first_half);
    trace("second_half", second_half);
    trace("turned", turned);
}

lesson::Trial trial(const char* input, const gemma::Shape& shape, std::size_t first_position, float theta = 10000.0f) {
    const Tensor3 x = lesson::Random(shape.back()).normal<3>({shape[0], shape[1], shape[2]});
    return {input, [=](gemma::Trace trace) { show_right(x, first_position, theta, trace); },
            [=](gemma::Trace trace) {
                exercise::rope(x, exercise::rope_rotation(first_position, shape[0], shape[2], theta, trace), trace);
            }};
}

// The queries and keys of a layer. What is shown on the way has no name in a model.
void in_a_model(const gemma::Model& model, const std::vector<int>& tokens, const gemma::Record& clean,
                gemma::Trace trace) {
    const gemma::Config& config = model.config();
    const gemma::Rotation rotation = exercise::rope_rotation(0, tokens.size(), config.head_dim, config.rope_theta);
    const std::string attention = "model.layers.0.self_attn.";
    Tensor3 query = exercise::rope(lesson::tensor_of<3>(clean, attention + "q_proj"), rotation);
    Tensor3 key = exercise::rope(lesson::tensor_of<3>(clean, attention + "k_proj"), rotation);
    trace(attention + "q_rope", query);
    trace(attention + "k_rope", key);
}

}  // namespace

int main() {
    return lesson::check_exercise("05_rope",
                                  {trial("5 tokens from position 0, 2 heads of 8 numbers", {5, 2, 8}, 0),
                                   trial("3 tokens from position 20: decoding goes on", {3, 1, 16}, 20),
                                   trial("another theta, and one token", {1, 3, 6}, 7, 100.0f),
                                   trial("one pair only: the slide's two dimensions", {4, 1, 2}, 1)},
                                  in_a_model);
}
