// A trace point shows a tensor, under its name, to whoever watches the forward pass.
//
//   void rms_norm(..., Trace trace) {
//       ...
//       trace("mean_square", mean_square);     // observed as "<scope>.mean_square"
//       trace(output);                         // observed as "<scope>"
//   }
//
// A Trace is passed by value as the last argument and is off by default: then a trace point is one branch.
#pragma once

#include "gemma/tensor.hpp"

#include <string>
#include <string_view>

namespace gemma {

/// A tensor as an observer sees it: where its numbers are, row major, and its shape.
struct TensorView {
    float* data;
    Shape shape;

    std::size_t size() const { return element_count(shape); }
};

/// Watches a forward pass. May record a tensor, print it, or edit it in place: what follows is computed from what
/// the observer leaves there (ablate a head, patch an activation from another run, round to bfloat16).
class Observer {
public:
    virtual ~Observer() = default;

    /// Called at each trace point, in the order of the forward pass. The view is valid during the call only.
    virtual void observe(const std::string& name, const TensorView& tensor) = 0;
};

/// The scope (a dotted name such as "model.layers.0.self_attn") in which tensors are shown, and to whom.
class Trace {
public:
    /// Off: nobody watches.
    Trace() = default;

    explicit Trace(Observer& observer, std::string scope = "");

    bool on() const { return observer_ != nullptr; }

    /// The scope inside this one: scope("mlp") of "model.layers.0" is "model.layers.0.mlp". Off stays off.
    Trace scope(std::string_view name) const { return on() ? enter(name) : Trace(); }

    /// The scope of one of a numbered row: scope("layers", 3) of "model" is "model.layers.3".
    Trace scope(std::string_view name, std::size_t index) const {
        return on() ? enter(name).enter(std::to_string(index)) : Trace();
    }

    /// Shows a tensor under a name inside this scope.
    template <std::size_t N>
    void operator()(std::string_view name, xt::xtensor<float, N>& tensor) const {
        if (on()) enter(name).show({tensor.data(), shape_of(tensor)});
    }

    /// Shows a tensor under the name of the scope itself: a module's output.
    template <std::size_t N>
    void operator()(xt::xtensor<float, N>& tensor) const {
        if (on()) show({tensor.data(), shape_of(tensor)});
    }

private:
    Trace enter(std::string_view name) const;
    void show(const TensorView& tensor) const { observer_->observe(scope_, tensor); }

    Observer* observer_ = nullptr;
    std::string scope_;
};

}  // namespace gemma
