#include "gemma/trace/layout.hpp"

#include "gemma/error.hpp"

#include <algorithm>
#include <utility>

namespace gemma {

namespace {

Shape reversed(Shape shape) {
    std::reverse(shape.begin(), shape.end());
    return shape;
}

Shape merged(Shape shape) {
    const std::size_t last = shape.back();
    shape.pop_back();
    shape.back() *= last;  // 0, which fits any size, where one of the two is not known
    return shape;
}

// Whether a shape is the expected one, where 0 stands for any size and axes of 1 say nothing.
bool fits(const Shape& found, const Shape& expected) {
    const Shape a = without_ones(found), b = without_ones(expected);
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](std::size_t x, std::size_t y) { return y == 0 || x == y; });
}

bool is_known(const Shape& shape) { return std::find(shape.begin(), shape.end(), std::size_t{0}) == shape.end(); }

// The whole shape where it is known, else that of the file.
Shape filled_in(const Shape& expected, const Shape& found) {
    return is_known(expected) ? expected : without_ones(found);
}

class Arranger {
public:
    Arranger(const Shape& expected, bool has_heads, bool is_square)
        : expected_(expected), has_heads_(has_heads && expected.size() == 3), is_square_(is_square) {}

    // [T, H, d], [T, H·d], or any other shape as expected.
    bool in_order(const Shape& found, bool memory_order) {
        if (fits(found, expected_) || (has_heads_ && fits(found, merged(expected_)))) {
            add({memory_order, false, without_ones(found), filled_in(expected_, found)});
            return true;
        }
        return false;
    }

    // [H, T, d]
    void heads_first(const Shape& found) {
        if (!has_heads_) return;
        const Shape swapped = {expected_[1], expected_[0], expected_[2]};
        if (!fits(found, swapped)) return;
        const Shape full = without_ones(found);
        const bool tells = full.size() == 3;  // else one of the axes is 1, and both orders are the same
        if (!tells) return;
        add({false, true, full, {full[1], full[0], full[2]}});
    }

    // [H, T, S'] with S' > S
    void padded(const Shape& found, bool memory_order) {
        if (!is_square_ || !is_known(expected_) || found.empty() || found.back() <= expected_.back()) return;
        Shape cut = found;
        cut.back() = expected_.back();
        if (!fits(cut, expected_)) return;
        Shape read = without_ones(expected_);
        if (expected_.back() == 1) read.push_back(1);
        read.back() = found.back();
        add({memory_order, false, read, expected_, 0, expected_.back()});
    }

    std::vector<Arrangement> ways;

private:
    void add(const Arrangement& way) { ways.push_back(way); }

    const Shape& expected_;
    bool has_heads_, is_square_;
};

// "[12, ?, 16]": an axis of unknown size is a question mark.
std::string expected_text(const Shape& shape) {
    std::string text;
    for (const std::size_t axis : shape) {
        text += (text.empty() ? "[" : ", ") + (axis == 0 ? std::string("?") : std::to_string(axis));
    }
    return text + "]";
}

// From the order in which the first axis is contiguous to that in which the last one is.
std::vector<float> from_fortran(const std::vector<float>& numbers, const Shape& shape) {
    std::vector<float> result(numbers.size());
    Shape index(shape.size(), 0);
    for (const float number : numbers) {
        std::size_t place = 0;
        for (std::size_t axis = 0; axis < shape.size(); ++axis) place = place * shape[axis] + index[axis];
        result[place] = number;
        for (std::size_t axis = 0; axis < shape.size() && ++index[axis] == shape[axis]; ++axis) index[axis] = 0;
    }
    return result;
}

// From [H, T, d] to [T, H, d].
std::vector<float> with_tokens_first(const std::vector<float>& numbers, const Shape& shape) {
    const std::size_t H = shape[0], T = shape[1], d = shape[2];
    std::vector<float> result(numbers.size());
    for (std::size_t h = 0; h < H; ++h) {
        for (std::size_t t = 0; t < T; ++t) {
            std::copy_n(numbers.begin() + static_cast<std::ptrdiff_t>((h * T + t) * d), d,
                        result.begin() + static_cast<std::ptrdiff_t>((t * H + h) * d));
        }
    }
    return result;
}

// `count` numbers of each row of `width`, from `first` on.
std::vector<float> some_columns(const std::vector<float>& numbers, std::size_t width, std::size_t first,
                                std::size_t count) {
    std::vector<float> result;
    result.reserve(numbers.size() / width * count);
    for (std::size_t row = 0; row < numbers.size(); row += width) {
        const auto from = numbers.begin() + static_cast<std::ptrdiff_t>(row + first);
        result.insert(result.end(), from, from + static_cast<std::ptrdiff_t>(count));
    }
    return result;
}

}  // namespace

Shape without_ones(Shape shape) {
    shape.erase(std::remove(shape.begin(), shape.end(), std::size_t{1}), shape.end());
    return shape;
}

Layout parse_layout(std::string_view text) {
    constexpr std::pair<std::string_view, Layout> layouts[] = {{"auto", Layout::automatic},
                                                               {"tokens-first", Layout::tokens_first},
                                                               {"heads-first", Layout::heads_first},
                                                               {"ggml", Layout::ggml}};
    for (const auto& [name, layout] : layouts) {
        if (name == text) return layout;
    }
    fail("found layout \"{}\", expected auto, tokens-first, heads-first or ggml", text);
}

ArrangementFound arrange(const Stored& stored, const Shape& expected, bool has_heads, bool is_square,
                         const LayoutChoice& choice) {
    const bool automatic = choice.layout == Layout::automatic;
    Arranger arranger(expected, has_heads, is_square);
    if (choice.layout != Layout::ggml) {
        const bool asked_for_heads = choice.layout == Layout::heads_first && has_heads;
        if (!asked_for_heads || without_ones(stored.shape).size() < 3) {
            if (!arranger.in_order(stored.shape, false)) arranger.padded(stored.shape, false);
        }
        if (asked_for_heads || (automatic && !choice.tokens_first)) arranger.heads_first(stored.shape);
    }
    const bool order_tells = without_ones(stored.shape).size() > 1;
    if (choice.layout == Layout::ggml || (automatic && choice.ggml_shapes && order_tells)) {
        const Shape backwards = reversed(stored.shape);
        if (!arranger.in_order(backwards, true)) arranger.padded(backwards, true);
    }
    if (arranger.ways.size() == 1) return {arranger.ways.front()};
    const std::string found = "has shape " + to_string(stored.shape);
    if (arranger.ways.empty()) return {{}, false, found + ", expected " + expected_text(expected)};
    return {{},
            true,
            found + ", whose axes can be meant in two ways: say --layout tokens-first or " +
                (choice.ggml_shapes ? "ggml" : "heads-first")};
}

std::vector<float> arranged(std::vector<float> numbers, const Stored& stored, const Arrangement& arrangement) {
    if (stored.fortran_order && !arrangement.memory_order) numbers = from_fortran(numbers, stored.shape);
    if (arrangement.heads_first) numbers = with_tokens_first(numbers, arrangement.shape_read);
    if (arrangement.columns != 0) {
        numbers = some_columns(numbers, arrangement.shape_read.back(), arrangement.first_column, arrangement.columns);
    }
    return numbers;
}

}  // namespace gemma
