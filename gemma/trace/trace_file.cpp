#include "gemma/trace/trace_file.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/trace/names.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <system_error>

namespace gemma {

namespace {

constexpr const char* format_version = "1";
constexpr const char* tokens_name = "tokens";

// The text of a metadata entry; "" when there is none.
std::string text_of(const Metadata& metadata, const std::string& key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? "" : found->second;
}

Metadata metadata_of(const TraceHeader& header, const TokenRange& range) {
    Metadata metadata = {{"format_version", format_version},
                         {"prompt", header.prompt},
                         {"model", header.model},
                         {"precision", header.precision},
                         {"producer", header.producer}};
    if (!range.all()) {
        metadata["token_range"] = fmt::format("{}:{}", range.begin, std::min(range.end, header.tokens.size()));
    }
    if (!header.edits.empty()) metadata["edits"] = header.edits;
    if (header.prompt_tokens > 0) metadata["prompt_tokens"] = std::to_string(header.prompt_tokens);
    return metadata;
}

}  // namespace

void write_trace(const std::filesystem::path& file, const Record& record, const TraceHeader& header) {
    const std::vector<std::string> names = record.names();
    std::vector<TensorInfo> tensors = {{tokens_name, DType::int64, {header.tokens.size()}}};
    for (const std::string& name : names) tensors.push_back({name, DType::float32, record.shape(name)});

    SafetensorsWriter writer(file, tensors, metadata_of(header, record.range()));
    const std::vector<std::int64_t> tokens(header.tokens.begin(), header.tokens.end());
    writer.write(tokens.data(), tokens.size() * sizeof(std::int64_t));
    for (const std::string& name : names) {
        const RecordedTensor tensor = record.tensor(name);
        writer.write(tensor.numbers.data(), tensor.numbers.size() * sizeof(float));
    }
    writer.finish();
}

TraceFile::TraceFile(const std::filesystem::path& path, Accept accept) : path_(path), file_(path) {
    read_metadata(accept);
    read_tokens(accept);
    read_names(accept);
    if (accept == Accept::traces) check_rows();
}

void TraceFile::read_metadata(Accept accept) {
    const Metadata& metadata = file_.metadata();
    const std::string version = text_of(metadata, "format_version");
    if (version.empty() && accept == Accept::traces) {
        fail("{}: found no format_version in the metadata, expected a trace file of version {}", path_.string(),
             format_version);
    }
    // A file of any tensors may count its own versions.
    if (version != format_version && accept == Accept::traces) {
        fail("{}: the trace file's format_version is {}, expected \"{}\"", path_.string(), excerpt(version),
             format_version);
    }
    header_.prompt = text_of(metadata, "prompt");
    header_.model = text_of(metadata, "model");
    header_.precision = text_of(metadata, "precision");
    header_.producer = text_of(metadata, "producer");
    header_.edits = text_of(metadata, "edits");

    if (const std::string range = text_of(metadata, "token_range"); !range.empty()) {
        try {
            range_ = parse_token_range(range);
        } catch (const Error& error) {
            fail("{}: token_range in the metadata: {}", path_.string(), error.what());
        }
    }
}

void TraceFile::read_tokens(Accept accept) {
    const StoredTensor* tokens = file_.find(tokens_name);
    if (tokens == nullptr && accept == Accept::any_tensors) return;
    if (tokens == nullptr) fail("{}: found no tensor \"tokens\", expected the run's token ids", path_.string());
    if (tokens->dtype != DType::int64) {
        fail("{}: tokens are {}, expected int64", path_.string(), to_string(tokens->dtype));
    }
    for (std::size_t i = 0; i < element_count(tokens->shape); ++i) {
        std::int64_t token;
        std::memcpy(&token, tokens->data + i * sizeof token, sizeof token);
        if (token < 0 || token > std::numeric_limits<int>::max()) {
            fail("{}: token {} is {}, expected a token id", path_.string(), i, token);
        }
        header_.tokens.push_back(static_cast<int>(token));
    }
    read_prompt_tokens(accept);
}

void TraceFile::read_prompt_tokens(Accept accept) {
    const std::string text = text_of(file_.metadata(), "prompt_tokens");
    if (text.empty()) return;
    std::size_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const bool fits = error == std::errc() && end == text.data() + text.size() && count > 0;
    if (fits && count <= header_.tokens.size()) {
        header_.prompt_tokens = count;
    } else if (accept == Accept::traces) {
        fail("{}: prompt_tokens in the metadata: found {}, expected a count from 1 to {}, the tokens", path_.string(),
             excerpt(text), header_.tokens.size());
    }
}

void TraceFile::read_names(Accept accept) {
    for (const StoredTensor& tensor : file_.tensors()) {
        if (tensor.name == tokens_name) continue;
        if (tensor.dtype != DType::int64) {
            names_.push_back(tensor.name);
        } else if (accept == Accept::traces) {
            fail("{}: {} is {}, expected float32, bfloat16 or float16", path_.string(), tensor.name,
                 to_string(tensor.dtype));
        }
    }
    sort_in_forward_order(names_);
}

void TraceFile::check_rows() const {
    const std::size_t T = header_.tokens.size();
    for (const std::string& name : names_) {
        const Shape& shape = find(name).shape;
        const std::size_t axis = token_axis(name, shape);
        if (shape.empty() || shape[axis] > T) {
            fail("{}: {} has shape {}, expected at most {} rows, one a token", path_.string(), name, to_string(shape),
                 T);
        }
        if (axis == 1 && shape[2] != T) {
            fail("{}: {} has shape {}, expected a last axis of {}, the tokens", path_.string(), name, to_string(shape),
                 T);
        }
    }
}

const StoredTensor& TraceFile::find(const std::string& name) const {
    const StoredTensor* tensor = file_.find(name);
    if (tensor == nullptr) fail("{}: found no tensor \"{}\"", path_.string(), name);
    return *tensor;
}

Shape TraceFile::shape(const std::string& name) const { return find(name).shape; }

RecordedTensor TraceFile::tensor(const std::string& name) const {
    const StoredTensor& stored = find(name);
    RecordedTensor tensor{stored.shape, std::vector<float>(element_count(stored.shape))};
    to_float32(stored.data, stored.dtype, tensor.numbers.size(), tensor.numbers.data());
    return tensor;
}

}  // namespace gemma
