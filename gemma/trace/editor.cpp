#include "gemma/trace/editor.hpp"

#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"

#include <algorithm>
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
struct Strides {
    std::size_t heads, rows, numbers;
    std::size_t head_stride, row_stride;
};

Strides strides_of(const std::string& name, const Shape& shape) {
    if (shape.size() == 1) return {1, shape[0], 1, 0, 1};
    if (shape.size() == 2) return {1, shape[0], shape[1], 0, shape[1]};
    if (token_axis(name, shape) == 1) return {shape[0], shape[1], shape[2], shape[1] * shape[2], shape[2]};
    return {shape[1], shape[0], shape[2], shape[2], shape[1] * shape[2]};
}

// Copies the patch's row of a head and a token; does nothing where it has no such row.
void patch_row(const Patch& patch, const Strides& strides, std::size_t head, std::size_t token, Places numbers,
               float* row) {
    if (token < patch.first_token || token - patch.first_token >= strides.rows) return;
    const float* from =
        patch.tensor.numbers.data() + head * strides.head_stride + (token - patch.first_token) * strides.row_stride;
    // Scores and probs may be of a run with fewer tokens: those that this token sees are all there.
    for (std::size_t i = numbers.begin; i < std::min(numbers.end, strides.numbers); ++i) row[i] = from[i];
}

}  // namespace

void require_fit(const std::string& what, const std::string& name, const Patch& patch, const Shape& shape) {
    const std::size_t axis = token_axis(name, shape);
    Shape expected = patch.tensor.shape;
    if (expected.size() == shape.size()) {
        expected[axis] = shape[axis];
        if (axis == 1) expected.back() = shape.back();
    }
    if (expected == shape) return;
    fail("{}: found {} {}, expected {}, but for the number of tokens", what, name, to_string(patch.tensor.shape),
         to_string(shape));
}

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
    if (edit.patch) require_fit("a patch", name, *edit.patch, tensor.shape);
    const Strides strides = strides_of(name, tensor.shape);
    const Strides source = edit.patch ? strides_of(name, edit.patch->tensor.shape) : strides;
    const Places heads = chosen(edit.head, strides.heads, "head", name);
    const Places numbers = chosen(edit.number, strides.numbers, "number", name);
    // The rows are those of the run's last tokens: logits may be there for the very last one only.
    const std::size_t first_token = run_end_ - strides.rows;
    for (std::size_t h = heads.begin; h < heads.end; ++h) {
        for (std::size_t t = 0; t < strides.rows; ++t) {
            const std::size_t token = first_token + t;
            if (edit.token && *edit.token != token) continue;
            float* row = tensor.data + h * strides.head_stride + t * strides.row_stride;
            if (edit.patch) {
                patch_row(*edit.patch, source, h, token, numbers, row);
            } else {
                for (std::size_t i = numbers.begin; i < numbers.end; ++i) row[i] = row[i] * edit.factor + edit.offset;
            }
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
