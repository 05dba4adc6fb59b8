// A trace of any program, read as one of ours: our names, our shapes, float32.
//
//   ForeignTrace other("theirs.npz", sizes_of(config, tokens.size()));
//   other.tensor("model.layers.0.self_attn.q_rope")      // [T, H, d], whatever they call it and however it lies
//   other.left_out()                                     // what could not be read so, each with the reason
//
// gemma/trace/README.md says which files, which names and which shapes are understood.
#pragma once

#include "gemma/trace/layout.hpp"
#include "gemma/trace/record.hpp"
#include "gemma/trace/sizes.hpp"
#include "gemma/trace/trace_file.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

class TensorFile;
struct Convention;

struct ForeignOptions {
    std::filesystem::path names = {};  // a JSON file {"their name": "our name"}; none: the known programs' names
    Layout layout = Layout::automatic;
};

/// A tensor of the file that is not in the record, and why.
struct LeftOut {
    std::string name;  // as the file calls it
    Shape shape;       // as the file has it
    std::string reason;
};

class ForeignTrace : public Record {
public:
    /// Opens a .safetensors file, an .npz file, or a directory of .npy files. `sizes` are those of the model or of the
    /// trace that this one is compared with; what they leave open is taken from the file where it tells. Throws an
    /// Error that names the file for what cannot be read at all.
    explicit ForeignTrace(const std::filesystem::path& path, const TraceSizes& sizes = {},
                          const ForeignOptions& options = {});
    ~ForeignTrace() override;
    ForeignTrace(ForeignTrace&&) noexcept;
    ForeignTrace& operator=(ForeignTrace&&) noexcept;

    const std::filesystem::path& path() const;

    /// Texts and tokens are empty where the file does not tell; so is the precision.
    const TraceHeader& header() const { return header_; }

    /// Whose names the file has: "our names", "Hugging Face", "gemma_pytorch", "TransformerLens" or "llama.cpp".
    const std::string& convention() const;

    std::vector<std::string> names() const override { return names_; }
    Shape shape(const std::string& name) const override;
    RecordedTensor tensor(const std::string& name) const override;
    TokenRange range() const override;

    /// Whether the file says that it is a trace file of ours.
    bool is_trace() const;

    /// What the file calls this tensor.
    const std::string& name_in_file(const std::string& name) const;

    const std::vector<LeftOut>& left_out() const { return left_out_; }

private:
    // Where a tensor of ours lies in the file, and how it comes out of there.
    struct Place {
        std::size_t array;
        Arrangement arrangement;
    };

    const Place& find(const std::string& name) const;
    void read_tokens();
    void place_all(const TraceSizes& sizes, const ForeignOptions& options);
    void place(std::size_t array, const std::string& ours, const TraceSizes& sizes, Layout layout);
    void place_fused(std::size_t array, const std::string& attention, const TraceSizes& sizes, Layout layout);
    void keep(std::size_t array, const std::string& ours, const std::optional<Shape>& expected, Layout layout,
              std::size_t first_column, std::size_t all_columns);

    std::unique_ptr<TensorFile> file_;
    const Convention* convention_ = nullptr;
    TraceHeader header_;
    std::map<std::string, Place> places_;
    std::vector<std::string> names_;
    std::vector<LeftOut> left_out_;
    std::vector<bool> is_tokens_;  // of the arrays
};

}  // namespace gemma
