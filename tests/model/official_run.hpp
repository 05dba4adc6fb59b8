// What google/gemma_pytorch computed for a small model (tests/reference/README.md says how).
#pragma once

#include "gemma/checkpoint/safetensors.hpp"
#include "gemma/tensor.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace gemma {

/// The folders of tests/fixtures/tiny: a model and its official traces each.
inline std::vector<std::filesystem::path> fixture_directories() {
    std::vector<std::filesystem::path> directories;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GEMMA_FIXTURES) / "tiny")) {
        if (entry.is_directory()) directories.push_back(entry.path());
    }
    std::sort(directories.begin(), directories.end());
    return directories;
}

inline std::vector<float> values_of(const StoredTensor& tensor) {
    std::vector<float> values(element_count(tensor.shape));
    to_float32(tensor.data, tensor.dtype, values.size(), values.data());
    return values;
}

/// The token ids of a trace file.
inline std::vector<int> tokens_of(const SafetensorsFile& trace) {
    const StoredTensor& stored = *trace.find("tokens");
    std::vector<int> tokens;
    for (std::size_t t = 0; t < stored.shape[0]; ++t) {
        std::int64_t token;
        std::memcpy(&token, stored.data + t * sizeof token, sizeof token);
        tokens.push_back(static_cast<int>(token));
    }
    return tokens;
}

/// scores and probs are [H, T, S], all others have tokens as their first axis.
inline bool is_over_tokens_seen(const std::string& name) {
    const auto ends_with = [&](const std::string& end) {
        return name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    return ends_with(".scores") || ends_with(".probs");
}

}  // namespace gemma
