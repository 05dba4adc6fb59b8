// A trace file: a record of a forward pass as one .safetensors file, which every language can read.
//
//   tokens          int64 [T]    all tokens of the run
//   model.… lm_head float32      the tensors of gemma/trace/names.hpp, in the order of the forward pass
//   __metadata__    format_version "1", prompt, model, precision, producer;
//                   token_range "a:b" where only the rows of tokens a … b - 1 were kept;
//                   prompt_tokens "n" where the tokens behind the first n were generated;
//                   edits "--scale model.norm=0.5" where the run was edited, as gemma trace takes them
#pragma once

#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/trace/record.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace gemma {

/// What a trace file says of the run beside the tensors.
struct TraceHeader {
    std::string prompt;
    std::string model;
    std::string precision = "float32";  // of the arithmetic
    std::string producer = "gemma";     // the program that made it
    std::vector<int> tokens;
    std::size_t prompt_tokens = 0;  // the first of them were the prompt, the others generated; 0: the file does not say
    std::string edits = {};         // of the run; empty: none
};

/// Writes a record, tensor by tensor: needs memory for the largest one. Throws an Error when it cannot be written;
/// then nothing is left behind.
void write_trace(const std::filesystem::path& file, const Record& record, const TraceHeader& header);

/// An open trace file. Tensors in bfloat16 and float16, as other programs may write them, are read as float32.
class TraceFile : public Record {
public:
    enum class Accept {
        traces,       // what write_trace writes
        any_tensors,  // also files of named tensors that say nothing of the run; integers in them are passed over
    };

    /// Throws an Error that names the file for what is not accepted: no or an unknown format_version, no tokens,
    /// a tensor of integers, more rows than tokens.
    explicit TraceFile(const std::filesystem::path& path, Accept accept = Accept::traces);

    const std::filesystem::path& path() const { return path_; }

    /// In a file that says nothing of the run the texts and the tokens are empty.
    const TraceHeader& header() const { return header_; }

    std::vector<std::string> names() const override { return names_; }
    Shape shape(const std::string& name) const override;
    RecordedTensor tensor(const std::string& name) const override;
    TokenRange range() const override { return range_; }

private:
    const StoredTensor& find(const std::string& name) const;
    void read_metadata(Accept accept);
    void read_tokens(Accept accept);
    void read_prompt_tokens(Accept accept);
    void read_names(Accept accept);
    void check_rows() const;

    std::filesystem::path path_;
    SafetensorsFile file_;
    TraceHeader header_;
    TokenRange range_;
    std::vector<std::string> names_;
};

}  // namespace gemma
