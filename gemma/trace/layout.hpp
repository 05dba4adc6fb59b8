// In which order a tensor's numbers lie: from the shape that a file has to the shape that a trace has.
//
//   [1, T, x]                          a batch of one: the axis is dropped
//   [T, H, d], [T, H·d]                tokens first
//   [H, T, d]                          heads first
//   [d, H, T] for numbers as [T, H, d] as ggml counts axes, from the innermost
//   [H, T, S'] with S' > S             scores over a padded cache: the first S of each row
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma {

/// Which axis of a query, key, value or context comes first, where the shape does not tell.
enum class Layout {
    automatic,     // as the shape says; refused where it does not say (T = H)
    tokens_first,  // [T, H, d]
    heads_first,   // [H, T, d]
    ggml,          // shapes count from the innermost axis: [d, H, T] for numbers that lie as those of [T, H, d]
};

/// "auto", "tokens-first", "heads-first", "ggml"; throws an Error that lists them for anything else.
Layout parse_layout(std::string_view text);

/// How a tensor comes out of the numbers of a file.
struct Arrangement {
    bool memory_order = false;     // the numbers as they lie; else in the order of the file's shape
    bool heads_first = false;      // from [H, T, d] to [T, H, d]
    Shape shape_read;              // of the numbers after the first of these steps
    Shape shape;                   // in the end
    std::size_t first_column = 0;  // of a part of the last axis: a fused q, k, v, or a padded row
    std::size_t columns = 0;       // of that part; 0: all
};

/// What is known of a tensor before it is arranged.
struct Stored {
    Shape shape;
    bool fortran_order = false;
};

/// What may be tried.
struct LayoutChoice {
    Layout layout = Layout::automatic;
    bool tokens_first = false;  // the program that wrote the file is known to do so
    bool ggml_shapes = false;   // and to count axes from the innermost
};

/// The shape without its axes of 1, which say nothing.
Shape without_ones(Shape shape);

/// The one way that there is, or why there is none.
struct ArrangementFound {
    std::optional<Arrangement> arrangement;
    bool ambiguous = false;  // none, because there are several
    std::string reason = "";
};

/// Finds the one way in which a tensor of the file can be one of `expected` shape (0: any size). `has_heads` for a
/// query, key, value or context, `is_square` for scores and probs.
ArrangementFound arrange(const Stored& stored, const Shape& expected, bool has_heads, bool is_square,
                         const LayoutChoice& choice);

/// The numbers that lie in the file, as the arrangement has them.
std::vector<float> arranged(std::vector<float> numbers, const Stored& stored, const Arrangement& arrangement);

}  // namespace gemma
