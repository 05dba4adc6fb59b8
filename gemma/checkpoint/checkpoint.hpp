// The weights of a model directory in Hugging Face's layout: one file, or shards with an index.
#pragma once

#include "gemma/checkpoint/safetensors.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace gemma {

/// The open .safetensors files of a model directory:
///   model.safetensors                      or
///   model.safetensors.index.json           {"metadata": {"total_size": ..}, "weight_map": {tensor: file}}
///   model-00001-of-00002.safetensors ...   the shards that it names
/// The constructor throws an Error when none is there, a shard is missing, a shard's name leaves the directory, or
/// a tensor is not where the index says.
class Checkpoint {
public:
    explicit Checkpoint(const std::filesystem::path& directory);

    /// Throws an Error when there is no tensor of this name, or when its shape is not `expected`.
    const StoredTensor& tensor(const std::string& name, const Shape& expected) const;

    /// All tensors, file after file.
    std::vector<StoredTensor> tensors() const;

    const std::filesystem::path& directory() const { return directory_; }

private:
    std::filesystem::path directory_;
    std::vector<SafetensorsFile> files_;
    std::map<std::string, std::size_t> file_of_;
};

}  // namespace gemma
