// The weights of a model directory in Hugging Face's layout: one file, or shards with an index.
#pragma once

#include "gemma/checkpoint/safetensors.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace gemma {

/// The open .safetensors files of a model directory:
///   model.safetensors                      or
///   model.safetensors.index.json           {"metadata": {"total_size": ..}, "weight_map": {tensor: file}}
///   model-00001-of-00002.safetensors ...   the shards that it names
/// Opening reads the headers only. The constructor throws an Error when none is there, a shard is missing, a shard's
/// name leaves the directory, or a tensor is not where the index says. Files in other formats get a hint.
class Checkpoint {
public:
    explicit Checkpoint(const std::filesystem::path& directory);

    /// Throws an Error when there is no tensor of this name, or when its shape is not `expected`.
    const StoredTensor& tensor(const std::string& name, const Shape& expected) const;

    /// nullptr when there is no tensor of this name.
    const StoredTensor* find(const std::string& name) const;

    /// The files, in the order of their names.
    const std::vector<SafetensorsFile>& files() const { return files_; }

    /// All tensors, file after file.
    std::vector<StoredTensor> tensors() const;

    const std::filesystem::path& directory() const { return directory_; }

private:
    void open_shards(const std::filesystem::path& index);

    std::filesystem::path directory_;
    std::vector<MappedFile> beside_;  // what else makes up the model: held, so that no output takes their place
    std::vector<SafetensorsFile> files_;
    std::map<std::string, std::size_t> file_of_;
};

/// For a model that is not there: what the directory holds in its stead and how to convert it, as the end of an error
/// line ("; gemma-2b.ckpt is a PyTorch checkpoint: ..."); "" when it holds nothing that is known.
std::string conversion_hint(const std::filesystem::path& directory);

}  // namespace gemma
