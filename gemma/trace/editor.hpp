// The editor: an Observer that changes what it sees, and what follows is computed from the changed numbers.
//
//   Editor editor({{"model.layers.2.self_attn.context", 1}});    // head 1 of layer 2 adds nothing any more
//   model.forward(tokens, cache, Trace(editor));
//
// Taking a part away to see what it was for is called ablation: Are Sixteen Heads Really Better than One? (Michel,
// Levy, Neubig 2019) does it to heads.
#pragma once

#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

/// x becomes x · factor + offset, for the numbers that it names: by itself 0, an ablation.
struct Edit {
    std::string name;                        // a pattern: * for any text, ? for any one character
    std::optional<std::size_t> head = {};    // of a tensor with heads; none: all
    std::optional<std::size_t> token = {};   // counted over the whole run; none: all
    std::optional<std::size_t> number = {};  // its place in the last axis; none: all
    float factor = 0;
    float offset = 0;
};

class Editor : public Observer {
public:
    /// `next` sees each tensor after it was edited.
    explicit Editor(std::vector<Edit> edits, Observer* next = nullptr);

    /// Throws an Error for an edit whose head or number the tensor does not have.
    void observe(const std::string& name, const TensorView& tensor) override;

    /// The edits whose name no tensor had so far.
    std::vector<Edit> unused() const;

private:
    void apply(const Edit& edit, const std::string& name, const TensorView& tensor) const;

    std::vector<Edit> edits_;
    std::vector<bool> used_;
    Observer* next_;
    std::string first_name_;   // what each forward call begins with
    std::size_t run_end_ = 0;  // tokens seen so far
};

}  // namespace gemma
