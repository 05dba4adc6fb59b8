#include "gemma/trace/npy.hpp"

#include "gemma/dtype.hpp"
#include "gemma/error.hpp"
#include "gemma/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>

namespace gemma {

namespace {

constexpr std::string_view magic = "\x93NUMPY";

struct TypeCode {
    std::string_view descr;
    NpyType type;
    std::size_t bytes;
};

constexpr TypeCode type_codes[] = {
    {"<f2", NpyType::float16, 2},  {"<V2", NpyType::bfloat16, 2}, {"|V2", NpyType::bfloat16, 2},
    {"<u2", NpyType::bfloat16, 2}, {"<f4", NpyType::float32, 4},  {"<f8", NpyType::float64, 8},
    {"<i4", NpyType::int32, 4},    {"<i8", NpyType::int64, 8},    {"<u4", NpyType::uint32, 4},
    {"<u8", NpyType::uint64, 8},
};

std::size_t size_of(NpyType type) {
    const auto found = std::find_if(std::begin(type_codes), std::end(type_codes),
                                    [&](const TypeCode& code) { return code.type == type; });
    if (found == std::end(type_codes)) fail("unknown numpy type number {}", static_cast<int>(type));
    return found->bytes;
}

// Reads the header's text, which is a Python literal: a dict of a text, a bool and a tuple of whole numbers.
class HeaderText {
public:
    HeaderText(std::string_view text, const std::string& source) : text_(text), rest_(text), source_(source) {}

    NpyHeader read() {
        NpyHeader header{};
        bool has_descr = false, has_order = false, has_shape = false;
        expect("{");
        while (!take("}")) {
            const std::string key = quoted();
            expect(":");
            if (key == "descr" && !has_descr) {
                has_descr = true;
                header.descr = descr();
            } else if (key == "fortran_order" && !has_order) {
                has_order = true;
                header.fortran_order = boolean();
            } else if (key == "shape" && !has_shape) {
                has_shape = true;
                header.shape = tuple();
            } else {
                fail_here("descr, fortran_order and shape, each once");
            }
            if (!take(",")) {
                expect("}");
                break;
            }
        }
        if (!has_descr || !has_order || !has_shape || !rest().empty()) fail_here("descr, fortran_order and shape");
        return header;
    }

private:
    std::string_view rest() {
        const std::size_t spaces = rest_.find_first_not_of(" \t\n\r");
        rest_.remove_prefix(spaces == std::string_view::npos ? rest_.size() : spaces);
        return rest_;
    }

    bool take(std::string_view token) {
        if (rest().substr(0, token.size()) != token) return false;
        rest_.remove_prefix(token.size());
        return true;
    }

    void expect(std::string_view token) {
        if (!take(token)) fail_here(fmt::format("\"{}\"", token));
    }

    std::string quoted() {
        const char quote = take("'") ? '\'' : take("\"") ? '"' : '\0';
        const std::size_t end = quote == '\0' ? std::string_view::npos : rest_.find(quote);
        if (end == std::string_view::npos) fail_here("a quoted text");
        const std::string text(rest_.substr(0, end));
        rest_.remove_prefix(end + 1);
        return text;
    }

    // A structured array has a list here.
    std::string descr() {
        if (rest().substr(0, 1) == "[") fail("{}: the array is of structures, expected an array of numbers", source_);
        return quoted();
    }

    bool boolean() {
        if (take("True")) return true;
        expect("False");
        return false;
    }

    Shape tuple() {
        Shape shape;
        expect("(");
        while (!take(")")) {
            std::size_t axis = 0;
            const std::string_view text = rest();
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), axis);
            if (error != std::errc()) fail_here("a whole number below 2^64");
            rest_.remove_prefix(static_cast<std::size_t>(end - text.data()));
            shape.push_back(axis);
            if (!take(",")) {
                expect(")");
                break;
            }
        }
        return shape;
    }

    [[noreturn]] void fail_here(const std::string& expected) {
        fail("{}: the header is {}, expected {} at character {}", source_, excerpt(std::string(text_)), expected,
             text_.size() - rest_.size());
    }

    std::string_view text_, rest_;
    const std::string& source_;
};

// Fails for a shape whose elements are not those in the file; their count is never computed before it is known to fit.
std::size_t checked_bytes(const NpyHeader& header, std::size_t stored, const std::string& source) {
    const std::size_t size = size_of(header.type), most = stored / size;
    std::size_t count = 1;
    bool fits = true;
    for (const std::size_t axis : header.shape) {
        fits = fits && (axis == 0 || count <= most / axis);
        if (fits) count *= axis;
    }
    if (!fits || count * size != stored) {
        fail("{}: found {} bytes of numbers, expected as many as {} numbers of \"{}\" take", source, stored,
             to_string(header.shape), header.descr);
    }
    return stored;
}

template <typename Number>
Number number_at(const std::byte* data, std::size_t i) {
    Number number;
    std::memcpy(&number, data + i * sizeof number, sizeof number);
    return number;
}

float float_at(const std::byte* data, NpyType type, std::size_t i) {
    switch (type) {
        case NpyType::float32: return number_at<float>(data, i);
        case NpyType::float64: return static_cast<float>(number_at<double>(data, i));
        case NpyType::bfloat16: return bfloat16_to_float(number_at<std::uint16_t>(data, i));
        default: return float16_to_float(number_at<std::uint16_t>(data, i));
    }
}

std::int64_t integer_at(const std::byte* data, NpyType type, std::size_t i) {
    switch (type) {
        case NpyType::int32: return number_at<std::int32_t>(data, i);
        case NpyType::uint32: return number_at<std::uint32_t>(data, i);
        case NpyType::uint64: return static_cast<std::int64_t>(number_at<std::uint64_t>(data, i));
        default: return number_at<std::int64_t>(data, i);
    }
}

}  // namespace

NpyHeader read_npy_header(const std::vector<std::byte>& start, std::size_t file_bytes, const std::string& source) {
    const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
    if (text.size() < 8 || text.substr(0, magic.size()) != magic) {
        fail("{}: found {} bytes that do not begin with \\x93NUMPY and a version, expected a .npy array", source,
             file_bytes);
    }
    const int version = static_cast<unsigned char>(text[6]);
    if (version < 1 || version > 3) fail("{}: found version {} of the .npy format, expected 1 to 3", source, version);

    const std::size_t length_bytes = version == 1 ? 2 : 4, before = 8 + length_bytes;
    std::size_t length = 0;
    for (std::size_t i = before; i-- > 8;) {
        length = length << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
    }
    const std::size_t most = std::min(file_bytes, longest_npy_header);
    if (text.size() < before || length > most - before || text.size() < before + length) {
        fail("{}: found a header of {} bytes, expected at most {}: no .npy array, or cut short", source, length,
             most - std::min(most, before));
    }
    NpyHeader header = HeaderText(text.substr(before, length), source).read();
    header.bytes = before + length;
    const auto code = std::find_if(std::begin(type_codes), std::end(type_codes),
                                   [&](const TypeCode& known) { return known.descr == header.descr; });
    header.type = code == std::end(type_codes) ? NpyType::other : code->type;
    if (header.type != NpyType::other) header.data_bytes = checked_bytes(header, file_bytes - header.bytes, source);
    return header;
}

bool is_float(NpyType type) {
    return type == NpyType::float16 || type == NpyType::bfloat16 || type == NpyType::float32 ||
           type == NpyType::float64;
}

std::vector<float> npy_floats(const std::byte* data, NpyType type, std::size_t count) {
    if (!is_float(type)) fail("found an array of integers, expected floating point");
    std::vector<float> numbers(count);
    for (std::size_t i = 0; i < count; ++i) numbers[i] = float_at(data, type, i);
    return numbers;
}

std::vector<std::int64_t> npy_integers(const std::byte* data, NpyType type, std::size_t count) {
    if (is_float(type) || type == NpyType::other) fail("found an array of floating point, expected integers");
    std::vector<std::int64_t> numbers(count);
    for (std::size_t i = 0; i < count; ++i) numbers[i] = integer_at(data, type, i);
    return numbers;
}

}  // namespace gemma
