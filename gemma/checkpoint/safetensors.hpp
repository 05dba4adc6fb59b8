// The .safetensors format: named tensors in one file, read by mapping it.
//
//   8 bytes   N, the header's length, little endian
//   N bytes   JSON: {"__metadata__": {text: text}, name: {"dtype": "BF16", "shape": [..], "data_offsets": [from, to]}}
//   the rest  the numbers of all tensors, row major, little endian; offsets count from here
//
// Source: https://huggingface.co/docs/safetensors
#pragma once

#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/checkpoint/output_file.hpp"
#include "gemma/dtype.hpp"
#include "gemma/tensor.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gemma {

/// Free text beside the tensors: the header's "__metadata__".
using Metadata = std::map<std::string, std::string>;

/// What the header says of a tensor.
struct TensorInfo {
    std::string name;
    DType dtype;
    Shape shape;

    std::size_t bytes() const { return element_count(shape) * size_of(dtype); }
};

/// A tensor of an open file: its description, and where its numbers lie. The view lives as long as the file is open.
/// The numbers need not be aligned to their size; those of files with a padded header are.
struct StoredTensor : TensorInfo {
    const std::byte* data;
};

/// An open .safetensors file. Nothing of it is believed unchecked: the constructor throws an Error that names the
/// file, what was found and what was expected when the header is longer than the file, is not valid JSON, has a name
/// twice, has an unknown dtype, or has offsets that overlap, leave gaps, exceed the file or do not fit the shape.
class SafetensorsFile {
public:
    explicit SafetensorsFile(const std::filesystem::path& path);

    /// In the order in which the numbers lie in the file.
    const std::vector<StoredTensor>& tensors() const { return tensors_; }

    /// nullptr when the file has no such tensor.
    const StoredTensor* find(const std::string& name) const;

    const Metadata& metadata() const { return metadata_; }

    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
    MappedFile file_;
    std::vector<StoredTensor> tensors_;
    std::map<std::string, std::size_t> index_;
    Metadata metadata_;
};

/// Writes a .safetensors file in a stream: the tensors are declared first, then their numbers follow in that order,
/// in pieces of any size. An OutputFile: it takes its name in finish(); without finish() nothing is left behind.
class SafetensorsWriter {
public:
    SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorInfo>& tensors,
                      const Metadata& metadata = {});

    void write(const void* data, std::size_t bytes);

    /// Throws an Error when more or fewer bytes came than were declared.
    void finish();

private:
    OutputFile file_;
    std::size_t declared_bytes_ = 0;
    std::size_t written_bytes_ = 0;
};

}  // namespace gemma
