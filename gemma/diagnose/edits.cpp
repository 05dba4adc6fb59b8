#include "gemma/diagnose/edits.hpp"

#include "gemma/error.hpp"
#include "gemma/strings.hpp"

#include <algorithm>
#include <array>

namespace gemma {

namespace {

constexpr const char* layers = "model.layers.";

// "model.layers.3.mlp.act_fn" is "mlp.act_fn", "model.layers.3" is "layer", each RMSNorm is "norm".
std::string step_of(const std::string& name) {
    for (const std::string part : {"", ".normalized", ".mean_square"}) {
        for (const std::string norm : {"model.norm", "input_layernorm", "post_attention_layernorm"}) {
            if (ends_with(name, norm + part)) return "norm" + part;
        }
    }
    if (name.rfind(layers, 0) != 0) return name;
    const std::size_t dot = name.find('.', std::string(layers).size());
    return dot == std::string::npos ? "layer" : name.substr(dot + 1);
}

template <std::size_t N>
xt::xtensor<float, N> tensor_of(const Shape& shape, const float* values) {
    std::array<std::size_t, N> sizes;
    std::copy(shape.begin(), shape.end(), sizes.begin());
    auto tensor = xt::xtensor<float, N>::from_shape(sizes);
    std::copy_n(values, tensor.size(), tensor.data());
    return tensor;
}

}  // namespace

void Seen::enter(const std::string& name) {
    name_ = name;
    step_ = step_of(name);
    const std::string prefix = layers;
    if (name.rfind(prefix, 0) == 0) layer_ = std::stoul(name.substr(prefix.size()));
    if (step_ == "norm.mean_square" && ends_with(name, "input_layernorm.mean_square")) layer_input_ = x_;
}

void Seen::keep(const TensorView& tensor) {
    if (step_ == "lm_head") return;  // the last one, and the largest
    steps_[step_] = {tensor.shape, std::vector<float>(tensor.data, tensor.data + tensor.size())};
    if (step_ == "model.embed_scaled" || step_ == "residual_attn" || step_ == "layer") {
        x_ = tensor_of<2>(tensor.shape, tensor.data);
    }
}

const Seen::Numbers& Seen::find(const std::string& step) const {
    const auto found = steps_.find(step);
    if (found == steps_.end()) fail("a mistake at {} computes from {}, which was not shown before", name_, step);
    return found->second;
}

Vector Seen::vector(const std::string& step) const { return tensor_of<1>(find(step).shape, find(step).values.data()); }
Matrix Seen::matrix(const std::string& step) const { return tensor_of<2>(find(step).shape, find(step).values.data()); }
Tensor3 Seen::tensor3(const std::string& step) const {
    return tensor_of<3>(find(step).shape, find(step).values.data());
}

const Vector& Seen::norm_weight() const {
    if (name_.rfind("model.norm", 0) == 0) return weights().norm;
    return name_.find(".input_layernorm") != std::string::npos ? layer().input_layernorm
                                                               : layer().post_attention_layernorm;
}

const Vector& Seen::other_norm_weight() const {
    if (name_.rfind("model.norm", 0) == 0) return weights().norm;
    return name_.find(".input_layernorm") != std::string::npos ? layer().post_attention_layernorm
                                                               : layer().input_layernorm;
}

float to_bfloat16(float x) {
    round_to(Precision::bfloat16, &x, 1);
    return x;
}

void assign(const TensorView& y, const float* values, const Shape& shape) {
    require_shape("a mistaken tensor", shape, y.shape);
    std::copy_n(values, y.size(), y.data);
}

}  // namespace gemma
