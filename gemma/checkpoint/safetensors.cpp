#include "gemma/checkpoint/safetensors.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>

namespace gemma {

namespace {

using Json = nlohmann::json;

constexpr std::size_t length_bytes = 8;            // of the number that tells the header's length
constexpr std::size_t longest_header = 100000000;  // what the format allows

// The format's names for the number formats.
constexpr std::pair<DType, std::string_view> dtype_codes[] = {
    {DType::float32, "F32"}, {DType::bfloat16, "BF16"}, {DType::float16, "F16"}, {DType::int64, "I64"}};

std::string_view code_of(DType dtype) {
    for (const auto& [known, code] : dtype_codes) {
        if (known == dtype) return code;
    }
    fail("unknown dtype number {}", static_cast<int>(dtype));
}

// Where a tensor's numbers lie among all tensors' numbers: bytes from `begin` up to but not including `end`.
struct Range {
    std::size_t begin;
    std::size_t end;
};

struct Entry {
    TensorInfo info;
    Range range;
};

DType read_dtype(const Json& entry, const std::string& where) {
    const Json& found = member(entry, "dtype");
    for (const auto& [dtype, code] : dtype_codes) {
        if (found == code) return dtype;
    }
    fail("{} has dtype {}, expected F32, BF16, F16 or I64", where, excerpt(found));
}

// A list of whole numbers from 0 to 2^64 - 1.
Shape read_numbers(const Json& entry, const char* name, const std::string& where) {
    const Json& found = member(entry, name);
    const bool are_numbers = found.is_array() && std::all_of(found.begin(), found.end(),
                                                             [](const Json& n) { return n.is_number_unsigned(); });
    if (!are_numbers) fail("{} has {} {}, expected a list of whole numbers", where, name, excerpt(found));
    return found.get<Shape>();
}

// Fails for a shape whose elements do not lie in `bytes`: their count is never computed before it is known to fit.
void require_elements_fit(const TensorInfo& info, std::size_t bytes, const std::string& where) {
    const std::size_t stored = bytes / size_of(info.dtype);
    std::size_t count = 1;
    bool fits = bytes % size_of(info.dtype) == 0;
    for (const std::size_t axis : info.shape) {
        fits = fits && (axis == 0 || count <= stored / axis);
        if (fits) count *= axis;
    }
    if (!fits || count != stored) {
        fail("{} has {} bytes, expected as many as {} numbers of {} take", where, bytes, to_string(info.shape),
             to_string(info.dtype));
    }
}

Entry read_entry(const std::string& name, const Json& entry, std::size_t all_bytes, const std::string& source) {
    if (!is_printable(name)) fail("{}: a tensor is called {}, expected a printable name", source, excerpt(name));
    const std::string where = fmt::format("{}: tensor {}", source, name);
    if (!entry.is_object()) fail("{} is described by {}, expected an object", where, excerpt(entry));
    Entry result{{name, read_dtype(entry, where), read_numbers(entry, "shape", where)}, {}};
    const Shape offsets = read_numbers(entry, "data_offsets", where);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > all_bytes) {
        fail("{} has data_offsets {}, expected a begin and an end within the {} bytes of data", where,
             to_string(offsets), all_bytes);
    }
    result.range = {offsets[0], offsets[1]};
    require_elements_fit(result.info, offsets[1] - offsets[0], where);
    return result;
}

Metadata read_metadata(const Json& object, const std::string& source) {
    const bool are_texts = object.is_object() && std::all_of(object.begin(), object.end(),
                                                             [](const Json& value) { return value.is_string(); });
    if (!are_texts) fail("{}: __metadata__ is {}, expected an object of texts", source, excerpt(object));
    return object.get<Metadata>();
}

// Each tensor begins where the one before it ends, and the last one ends with the file.
void require_no_gaps(const std::vector<Entry>& entries, std::size_t all_bytes, const std::string& source) {
    std::size_t end = 0;
    for (const Entry& entry : entries) {
        if (entry.range.begin != end) {
            fail("{}: tensor {} begins at byte {} of the data, expected {}, where the one before it ends", source,
                 entry.info.name, entry.range.begin, end);
        }
        end = entry.range.end;
    }
    if (end != all_bytes)
        fail("{}: found {} bytes of data, expected {}, where the last tensor ends", source, all_bytes, end);
}

// Whether the bytes that should tell a length are letters: then the file is a text, such as a JSON file.
bool begins_with_text(const MappedFile& file) {
    return std::all_of(file.data(), file.data() + length_bytes, [](std::byte byte) {
        const int c = std::to_integer<int>(byte);
        return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
    });
}

// The header's text, after checks that it is all there.
std::string_view header_of(const MappedFile& file, const std::string& source) {
    if (file.size() < length_bytes) {
        fail("{}: found {} bytes, expected a .safetensors file, which has at least {}", source, file.size(),
             length_bytes);
    }
    std::uint64_t length = 0;
    for (std::size_t i = length_bytes; i-- > 0;) length = length << 8 | std::to_integer<std::uint64_t>(file.data()[i]);
    const std::size_t longest = std::min(longest_header, file.size() - length_bytes);
    if (length > longest && begins_with_text(file)) {
        const std::string begin(reinterpret_cast<const char*>(file.data()), length_bytes);
        fail("{}: found a text that begins with {}, expected a .safetensors file", source, excerpt(begin));
    }
    if (length > longest) {
        fail("{}: found a header of {} bytes, expected at most {}: no .safetensors file, or cut short", source, length,
             longest);
    }
    return {reinterpret_cast<const char*>(file.data()) + length_bytes, length};
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
    const std::string source = path.string();
    const std::string_view text = header_of(file_, source);
    const std::byte* const numbers = file_.data() + length_bytes + text.size();
    const std::size_t all_bytes = file_.size() - length_bytes - text.size();

    std::vector<Entry> entries;
    const Json header = parse_json_object(text, source + ": header");
    for (const auto& [name, value] : header.items()) {
        if (name == "__metadata__") {
            metadata_ = read_metadata(value, source);
        } else {
            entries.push_back(read_entry(name, value, all_bytes, source));
        }
    }
    std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.range.begin, a.range.end) < std::tie(b.range.begin, b.range.end);
    });
    require_no_gaps(entries, all_bytes, source);

    for (const Entry& entry : entries) {
        index_[entry.info.name] = tensors_.size();
        tensors_.push_back({entry.info, numbers + entry.range.begin});
    }
}

const StoredTensor* SafetensorsFile::find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
}

namespace {

// The length and the header of a file with these tensors. Spaces fill it up so that the numbers begin at a multiple
// of 8.
std::string encode_header(const std::vector<TensorInfo>& tensors, const Metadata& metadata, const std::string& source) {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::size_t begin = 0;
    for (const TensorInfo& tensor : tensors) {
        if (tensor.name == "__metadata__") fail("{}: a tensor is called __metadata__, expected another name", source);
        const std::size_t end = begin + tensor.bytes();
        header.push_back(
            {tensor.name, {{"dtype", code_of(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}}});
        begin = end;
    }
    if (header.size() != tensors.size() + !metadata.empty()) {
        fail("{}: two tensors have the same name, expected each name once", source);
    }
    std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.append((length_bytes - text.size() % length_bytes) % length_bytes, ' ');
    std::string length;
    for (std::size_t i = 0; i < length_bytes; ++i) length.push_back(static_cast<char>(text.size() >> 8 * i & 0xff));
    return length + text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorInfo>& tensors,
                                     const Metadata& metadata)
    : file_(path) {
    const std::string header = encode_header(tensors, metadata, path.string());
    file_.write(header.data(), header.size());
    for (const TensorInfo& tensor : tensors) declared_bytes_ += tensor.bytes();
}

void SafetensorsWriter::write(const void* data, std::size_t bytes) {
    if (bytes > declared_bytes_ - written_bytes_) {
        fail("{}: came {} bytes after {}, expected {} in all", file_.path().string(), bytes, written_bytes_,
             declared_bytes_);
    }
    file_.write(data, bytes);
    written_bytes_ += bytes;
}

void SafetensorsWriter::finish() {
    if (written_bytes_ != declared_bytes_) {
        fail("{}: {} bytes were written, expected {}", file_.path().string(), written_bytes_, declared_bytes_);
    }
    file_.finish();
}

}  // namespace gemma
