#include "gemma/trace/editor.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"

#include <utility>

namespace gemma {

namespace {

// Places begin … end - 1 of an axis.
struct Places {
    std::size_t begin, end;
};

Places chosen(const std::optional<std::size_t>& place, std::size_t size, const char* axis, const std::string& name) {
    if (!place) return {0, size};
    if (*place >= size) fail("an edit of {}: found {} {}, expected less than {}", name, axis, *place, size);
    return {*place, *place + 1};
}

// A tensor with heads and without: [heads, T, numbers], in strides. One without heads has one.
struct Layout {
    std::size_t heads, rows, numbers;
    std::size_t head_stride, row_stride;
};

Layout layout_of(const std::string& name, const Shape& shape) {
    if (shape.size() == 1) return {1, shape[0], 1, 0, 1};
    if (shape.size() == 2) return {1, shape[0], shape[1], 0, shape[1]};
    if (token_axis(name, shape) == 1) return {shape[0], shape[1], shape[2], shape[1] * shape[2], shape[2]};
    return {shape[1], shape[0], shape[2], shape[2], shape[1] * shape[2]};
}

}  // namespace

Editor::Editor(std::vector<Edit> edits, Observer* next)
    : edits_(std::move(edits)), used_(edits_.size(), false), next_(next) {}

void Editor::observe(const std::string& name, const TensorView& tensor) {
    if (first_name_.empty()) first_name_ = name;
    if (name == first_name_) run_end_ += tensor.shape[token_axis(name, tensor.shape)];
    for (std::size_t i = 0; i < edits_.size(); ++i) {
        if (!matches(name, edits_[i].name)) continue;
        used_[i] = true;
        apply(edits_[i], name, tensor);
    }
    if (next_ != nullptr) next_->observe(name, tensor);
}

void Editor::apply(const Edit& edit, const std::string& name, const TensorView& tensor) const {
    const Layout layout = layout_of(name, tensor.shape);
    const Places heads = chosen(edit.head, layout.heads, "head", name);
    const Places numbers = chosen(edit.number, layout.numbers, "number", name);
    // The rows are those of the run's last tokens: logits may be there for the very last one only.
    const std::size_t first_token = run_end_ - layout.rows;
    for (std::size_t h = heads.begin; h < heads.end; ++h) {
        for (std::size_t t = 0; t < layout.rows; ++t) {
            if (edit.token && *edit.token != first_token + t) continue;
            float* row = tensor.data + h * layout.head_stride + t * layout.row_stride;
            for (std::size_t i = numbers.begin; i < numbers.end; ++i) row[i] = row[i] * edit.factor + edit.offset;
        }
    }
}

std::vector<Edit> Editor::unused() const {
    std::vector<Edit> result;
    for (std::size_t i = 0; i < edits_.size(); ++i) {
        if (!used_[i]) result.push_back(edits_[i]);
    }
    return result;
}

}  // namespace gemma
