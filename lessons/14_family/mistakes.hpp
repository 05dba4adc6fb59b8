// Three mistakes. Two of them as observers: each undoes what the model computed and puts the mistaken numbers in its
// place, and all that follows is computed from them. The components know nothing of it.
#pragma once

#include "gemma/components/gelu.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/trace.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lesson {

inline bool ends_with(const std::string& name, const std::string& end) {
    return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

/// What was observed, as a tensor of its own.
template <std::size_t N>
xt::xtensor<float, N> copy_of(const gemma::TensorView& view) {
    std::array<std::size_t, N> shape;
    std::copy_n(view.shape.begin(), N, shape.begin());
    xt::xtensor<float, N> tensor = xt::xtensor<float, N>::from_shape(shape);
    std::copy_n(view.data, view.size(), tensor.data());
    return tensor;
}

/// GELU in the exact form, x Φ(x), where Gemma has the tanh form.
class ErfGelu : public gemma::Observer {
public:
    explicit ErfGelu(gemma::Observer* next = nullptr) : next_(next) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        if (ends_with(name, ".gate_proj")) gate_ = copy_of<2>(tensor);
        if (ends_with(name, ".act_fn")) {
            const gemma::Matrix activated = gemma::gelu(gate_, gemma::Gelu::exact);
            std::copy_n(activated.data(), activated.size(), tensor.data);
        }
        if (next_ != nullptr) next_->observe(name, tensor);
    }

private:
    gemma::Observer* next_;
    gemma::Matrix gate_;
};

/// RoPE on neighbours (2j, 2j + 1), as the paper draws it, where Gemma's weights expect the pairs (j, j + d/2).
class InterleavedRope : public gemma::Observer {
public:
    explicit InterleavedRope(float theta, gemma::Observer* next = nullptr) : theta_(theta), next_(next) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        if (name == "model.embed_tokens") {  // a forward pass begins: these tokens come after those before
            first_position_ = end_;
            end_ += tensor.shape[0];
        }
        if (ends_with(name, ".q_proj")) query_ = copy_of<3>(tensor);
        if (ends_with(name, ".k_proj")) key_ = copy_of<3>(tensor);
        if (ends_with(name, ".q_rope")) turn(query_, tensor);
        if (ends_with(name, ".k_rope")) turn(key_, tensor);
        if (next_ != nullptr) next_->observe(name, tensor);
    }

private:
    // Neighbours are brought to the halves that gemma::rope turns, and back.
    void turn(const gemma::Tensor3& x, const gemma::TensorView& result) const {
        const std::size_t T = x.shape(0), pairs = x.shape(2) / 2, vectors = x.size() / (2 * pairs);
        gemma::Tensor3 halves = gemma::Tensor3::from_shape(x.shape());
        for (std::size_t v = 0; v < vectors; ++v) {
            const float* from = x.data() + v * 2 * pairs;
            float* to = halves.data() + v * 2 * pairs;
            for (std::size_t j = 0; j < pairs; ++j) to[j] = from[2 * j], to[j + pairs] = from[2 * j + 1];
        }
        halves = gemma::rope(std::move(halves), gemma::rope_rotation(first_position_, T, 2 * pairs, theta_));
        for (std::size_t v = 0; v < vectors; ++v) {
            const float* from = halves.data() + v * 2 * pairs;
            float* to = result.data + v * 2 * pairs;
            for (std::size_t j = 0; j < pairs; ++j) to[2 * j] = from[j], to[2 * j + 1] = from[j + pairs];
        }
    }

    float theta_;
    gemma::Observer* next_;
    std::size_t first_position_ = 0, end_ = 0;
    gemma::Tensor3 query_, key_;
};

// A way to run the model. `observer` makes what stands between the model and the recorder: the mistake.
struct Way {
    std::string name;
    bool bos = true;
    std::function<std::unique_ptr<gemma::Observer>(gemma::Observer* next)> observer = {};

    std::vector<int> tokens(const gemma::Tokenizer& tokenizer, const char* text) const {
        return bos ? tokenizer.encode_prompt(text) : tokenizer.encode(text);
    }
};

inline std::vector<Way> ways(float theta) {
    return {{"right"},
            {"erf GELU", true, [](gemma::Observer* next) { return std::make_unique<ErfGelu>(next); }},
            {"interleaved RoPE", true,
             [theta](gemma::Observer* next) { return std::make_unique<InterleavedRope>(theta, next); }},
            {"no bos", false}};
}

}  // namespace lesson
