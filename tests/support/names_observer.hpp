// An observer that writes down the names and shapes it is shown, in order, and edits tensors where a test asks it to.
#pragma once

#include "gemma/trace/trace.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace gemma {

class NamesObserver : public Observer {
public:
    using Edit = std::function<void(const TensorView&)>;

    void observe(const std::string& name, const TensorView& tensor) override {
        names.push_back(name);
        shapes.push_back(tensor.shape);
        const auto edit = edits_.find(name);
        if (edit != edits_.end()) edit->second(tensor);
    }

    void edit_at(const std::string& name, Edit edit) { edits_[name] = std::move(edit); }

    /// Every number of the tensor shown under this name becomes `value`.
    void fill_at(const std::string& name, float value) {
        edit_at(name, [value](const TensorView& tensor) { std::fill_n(tensor.data, tensor.size(), value); });
    }

    std::vector<std::string> names;
    std::vector<Shape> shapes;

private:
    std::map<std::string, Edit> edits_;
};

using Names = std::vector<std::string>;
using Shapes = std::vector<Shape>;

}  // namespace gemma
