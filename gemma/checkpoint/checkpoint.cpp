#include "gemma/checkpoint/checkpoint.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <set>
#include <string_view>
#include <utility>

namespace gemma {

namespace fs = std::filesystem;

namespace {

constexpr const char* single_name = "model.safetensors";
constexpr const char* index_name = "model.safetensors.index.json";

// {tensor: file} of an index, whose files must lie beside it.
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
    const MappedFile file(index);
    const std::string source = index.string();
    const nlohmann::json content = parse_json_object({reinterpret_cast<const char*>(file.data()), file.size()}, source);
    const nlohmann::json& weight_map = member(content, "weight_map");
    if (!weight_map.is_object() || weight_map.empty()) {
        fail("{}: weight_map is {}, expected an object of tensors and their files", source, excerpt(weight_map));
    }
    std::map<std::string, std::string> file_of;
    for (const auto& [tensor, shard] : weight_map.items()) {
        const fs::path name = shard.is_string() ? shard.get<std::string>() : "";
        // A plain name: not "../x", "/x", ".." or "".
        const bool is_plain = !name.empty() && name == name.filename() && name != "." && name != "..";
        if (!is_plain || !is_printable(name.native())) {
            fail("{}: {} lies in {}, expected the name of a file beside the index", source, excerpt(tensor),
                 excerpt(shard));
        }
        file_of[tensor] = name.string();
    }
    return file_of;
}

// The other files of a model directory, as far as they are there.
std::vector<MappedFile> open_beside(const fs::path& directory) {
    std::vector<MappedFile> files;
    for (const char* const name : {"config.json", "tokenizer.model", index_name}) {
        if (!fs::is_regular_file(directory / name)) continue;
        try {
            files.emplace_back(directory / name);
        } catch (const Error&) {  // told by whoever needs it
        }
    }
    return files;
}

}  // namespace

Checkpoint::Checkpoint(const fs::path& directory) : directory_(directory) {
    if (!fs::is_directory(directory)) {
        fail("{}: no such directory, expected a model directory{}", directory.string(), conversion_hint(directory));
    }
    if (fs::exists(directory / single_name)) {
        files_.emplace_back(directory / single_name);
        for (const StoredTensor& tensor : files_[0].tensors()) file_of_[tensor.name] = 0;
    } else if (fs::exists(directory / index_name)) {
        open_shards(directory / index_name);
    } else {
        fail("{}: no weights, expected {} or {}{}", directory.string(), single_name, index_name,
             conversion_hint(directory));
    }
    beside_ = open_beside(directory);
}

void Checkpoint::open_shards(const fs::path& index) {
    const std::map<std::string, std::string> shard_of = read_weight_map(index);
    std::map<std::string, std::size_t> number_of;  // of each shard, in the order of their names
    for (const auto& [tensor, shard] : shard_of) number_of[shard];
    for (auto& [shard, number] : number_of) {
        number = files_.size();
        files_.emplace_back(directory_ / shard);
    }
    for (const auto& [tensor, shard] : shard_of) {
        const std::size_t number = number_of.at(shard);
        if (files_[number].find(tensor) == nullptr) {
            fail("{}: {} is not in {}, expected it there", index.string(), excerpt(tensor), shard);
        }
        file_of_[tensor] = number;
    }
}

const StoredTensor* Checkpoint::find(const std::string& name) const {
    const auto found = file_of_.find(name);
    return found == file_of_.end() ? nullptr : files_[found->second].find(name);
}

const StoredTensor& Checkpoint::tensor(const std::string& name, const Shape& expected) const {
    const StoredTensor* const found = find(name);
    if (found == nullptr)
        fail("{}: there is no tensor {}, expected {}", directory_.string(), name, to_string(expected));
    require_shape(files_[file_of_.at(name)].path().string() + ": " + name, found->shape, expected);
    return *found;
}

std::vector<StoredTensor> Checkpoint::tensors() const {
    std::vector<StoredTensor> all;
    for (const SafetensorsFile& file : files_) all.insert(all.end(), file.tensors().begin(), file.tensors().end());
    return all;
}

std::string conversion_hint(const fs::path& directory) {
    // The extensions of other formats, and what to do about them.
    static const std::map<std::string_view, std::string_view> formats = {
        {".ckpt", "is a PyTorch checkpoint: convert it with tests/reference/convert_checkpoint.py"},
        {".gguf",
         "is a llama.cpp model: take the model in Hugging Face's format (.safetensors), or convert it to that"},
        {".bin", "looks like PyTorch weights: convert them to .safetensors"},
    };
    const auto hint_for = [](const fs::path& file) {
        const auto format = formats.find(file.extension().string());
        return format == formats.end() ? "" : fmt::format("; {} {}", file.filename().string(), format->second);
    };
    std::error_code error;
    std::set<fs::path> files = {directory};  // who names a file in place of a directory gets the hint too
    for (const auto& entry : fs::directory_iterator(directory, error)) files.insert(entry.path());
    for (const fs::path& file : files) {
        if (const std::string hint = hint_for(file); !hint.empty()) return hint;
    }
    return "";
}

}  // namespace gemma
