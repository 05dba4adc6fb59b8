// What is kept of a forward pass: named tensors that are read one at a time, from a Recorder or from a trace file.
#pragma once

#include "gemma/tensor.hpp"

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace gemma {

/// Tokens begin … end - 1 of a run.
struct TokenRange {
    static constexpr std::size_t no_end = std::numeric_limits<std::size_t>::max();

    std::size_t begin = 0;
    std::size_t end = no_end;

    bool all() const { return begin == 0 && end == no_end; }
};

/// Reads "a:b"; throws an Error for anything else, and for a range without a token.
TokenRange parse_token_range(const std::string& text);

/// A tensor with its own numbers, row major.
struct RecordedTensor {
    Shape shape;
    std::vector<float> numbers;
};

class Record {
public:
    virtual ~Record() = default;

    /// The names of the tensors, in the order of the forward pass.
    virtual std::vector<std::string> names() const = 0;

    /// Both throw an Error when there is no tensor of this name.
    virtual Shape shape(const std::string& name) const = 0;
    virtual RecordedTensor tensor(const std::string& name) const = 0;

    /// Which tokens' rows were kept.
    virtual TokenRange range() const = 0;
};

}  // namespace gemma
