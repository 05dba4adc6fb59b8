#include "gemma/checkpoint/random.hpp"

#include "gemma/checkpoint/output_file.hpp"
#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/model/parameters.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <system_error>
#include <vector>

namespace gemma {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t largest_file = 4000000000;  // bytes of tensors, unless one tensor alone has more
constexpr std::size_t block = 1 << 18;            // numbers made and written at a time: they stay in the cache

// The finalizer of splitmix64: every bit of the input changes half of the bits of the output.
std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

// A directory that is there whole or not at all: filled beside its place, and renamed at the end.
class OutputDirectory {
public:
    explicit OutputDirectory(const fs::path& path) : path_(path.has_filename() ? path : path.parent_path()) {
        std::error_code error;
        if (fs::exists(path_, error) && !fs::is_empty(path_, error)) {
            fail("{}: is not empty, expected a new directory", path_.string());
        }
        unfinished_ = unfinished_name(path_);
        if (!fs::create_directory(unfinished_, error)) {
            fail("{}: cannot be written ({}), expected a new directory in a writable one", path_.string(),
                 error.message());
        }
    }

    ~OutputDirectory() {
        std::error_code ignored;
        fs::remove_all(unfinished_, ignored);
    }

    OutputDirectory(const OutputDirectory&) = delete;
    OutputDirectory& operator=(const OutputDirectory&) = delete;

    fs::path operator/(const std::string& file) const { return unfinished_ / file; }

    void finish() {
        std::error_code error;
        fs::rename(unfinished_, path_, error);  // takes the place of an empty directory
        if (error) fail("{}: cannot be written ({}), expected a new directory", path_.string(), error.message());
    }

    void require_room(std::size_t bytes) const {
        std::error_code error;
        const fs::space_info space = fs::space(unfinished_, error);
        if (!error && space.available < bytes) {
            fail("{}: found room for {} bytes, expected {}", path_.string(), space.available, bytes);
        }
    }

private:
    fs::path path_;
    fs::path unfinished_;
};

// The tensors of one file, as numbers from `first` up to but not including `last` in the list of all.
struct Shard {
    std::size_t first;
    std::size_t last;
};

std::vector<Shard> split(const std::vector<TensorInfo>& tensors) {
    std::vector<Shard> shards = {{0, 0}};
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (bytes > 0 && bytes + tensors[i].bytes() > largest_file) {
            shards.push_back({i, i});
            bytes = 0;
        }
        bytes += tensors[i].bytes();
        shards.back().last = i + 1;
    }
    return shards;
}

std::string file_name(std::size_t shard, std::size_t shards) {
    return shards == 1 ? "model.safetensors" : fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
}

std::string index_of(const std::vector<TensorInfo>& tensors, const std::vector<Shard>& shards, std::size_t total) {
    nlohmann::json index;
    index["metadata"]["total_size"] = total;
    for (std::size_t s = 0; s < shards.size(); ++s) {
        for (std::size_t i = shards[s].first; i < shards[s].last; ++i) {
            index["weight_map"][tensors[i].name] = file_name(s, shards.size());
        }
    }
    return index.dump(2) + "\n";
}

float standard_deviation_of(const TensorInfo& tensor) {
    const bool is_norm = tensor.shape.size() == 1;
    return is_norm ? 0.1f : 1.0f / std::sqrt(static_cast<float>(tensor.shape[1]));
}

}  // namespace

void random_numbers(std::uint64_t seed, std::uint64_t tensor, std::uint64_t first, std::size_t count,
                    float standard_deviation, float* target) {
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;  // splitmix64's step: 2^64 over the golden ratio
    const std::uint64_t start = mix(mix(seed) + (tensor + 1) * golden);
    // One uniform 16-bit number has the variance (2^32 - 1) / 12; four of them have the standard deviation 37837.2.
    const float scale = standard_deviation / 37837.2f;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t bits = mix(start + (first + i) * golden);
        const std::uint64_t sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        target[i] = static_cast<float>(static_cast<int>(sum) - 2 * 65535) * scale;
    }
}

void write_random_checkpoint(const Config& config, const fs::path& directory, std::uint64_t seed, DType dtype,
                             const Progress& progress) {
    Config stored = config;
    stored.torch_dtype = dtype;
    std::vector<TensorInfo> tensors;
    for (const Parameter& parameter : parameters(stored)) tensors.push_back(parameter.info);
    std::size_t total = 0, done = 0;
    for (const TensorInfo& tensor : tensors) total += tensor.bytes();
    const std::vector<Shard> shards = split(tensors);

    OutputDirectory output(directory);
    output.require_room(total);
    std::vector<float> numbers(block);
    std::vector<std::byte> bytes(block * size_of(dtype));
    for (std::size_t s = 0; s < shards.size(); ++s) {
        const auto [first, last] = shards[s];
        SafetensorsWriter file(output / file_name(s, shards.size()), {tensors.begin() + first, tensors.begin() + last},
                               {{"format", "pt"}});
        for (std::size_t t = first; t < last; ++t) {
            const std::size_t elements = element_count(tensors[t].shape);
            for (std::size_t i = 0; i < elements; i += block) {
                const std::size_t count = std::min(block, elements - i);
                random_numbers(seed, t, i, count, standard_deviation_of(tensors[t]), numbers.data());
                from_float32(numbers.data(), count, dtype, bytes.data());
                file.write(bytes.data(), count * size_of(dtype));
                done += count * size_of(dtype);
                if (progress) progress(done, total);
            }
        }
        file.finish();
    }
    if (shards.size() > 1) write_text_file(output / "model.safetensors.index.json", index_of(tensors, shards, total));
    write_text_file(output / "config.json", to_json(stored));
    output.finish();
}

}  // namespace gemma
