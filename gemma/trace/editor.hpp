// The editor: an Observer that changes what it sees, and what follows is computed from the changed numbers.
//
//   Editor editor({{"model.layers.2.self_attn.context", 1}});    // head 1 of layer 2 adds nothing any more
//   model.forward(tokens, cache, Trace(editor));
//
// Taking a part away to see what it was for is called ablation: Are Sixteen Heads Really Better than One? (Michel,
// Levy, Neubig 2019) does it to heads. Putting in what the same part gave in another run is called activation patching:
// Locating and Editing Factual Associations in GPT (Meng et al. 2022) finds so where a model keeps what it knows.
#pragma once

#include "gemma/trace/record.hpp"
#include "gemma/trace/trace.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

/// A tensor of another run: the rows of that run's tokens `first_token` and on.
struct Patch {
    RecordedTensor tensor;
    std::size_t first_token = 0;
};

/// Throws an Error that begins with `what` unless the patch has the axes of a tensor of this name and shape, but for
/// the tokens: it may have other rows, and of scores and probs, whose last axis counts tokens as well, another last
/// axis.
void require_fit(const std::string& what, const std::string& name, const Patch& patch, const Shape& shape);

/// x becomes x · factor + offset, for the numbers that it names: by itself 0, an ablation. With a patch x becomes the
/// number at its place there, for the tokens that the patch has.
struct Edit {
    std::string name;                        // a pattern: * for any text, ? for any one character
    std::optional<std::size_t> head = {};    // of a tensor with heads; none: all
    std::optional<std::size_t> token = {};   // counted over the whole run; none: all
    std::optional<std::size_t> number = {};  // its place in the last axis; none: all
    float factor = 0;
    float offset = 0;
    std::shared_ptr<const Patch> patch = {};
};

class Editor : public Observer {
public:
    /// `next` sees each tensor after it was edited.
    explicit Editor(std::vector<Edit> edits, Observer* next = nullptr);

    /// Throws an Error for an edit whose head or number the tensor does not have, and for a patch of another shape.
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
