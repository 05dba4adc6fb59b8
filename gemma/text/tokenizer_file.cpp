#include "gemma/text/tokenizer_file.hpp"

#include "gemma/error.hpp"
#include "gemma/text/utf8.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gemma {

namespace {

constexpr std::size_t largest_file = 1 << 28;   // bytes; Gemma's has 4 MB
constexpr std::size_t longest_piece = 1 << 10;  // bytes
constexpr std::size_t most_pieces = 1 << 24;
constexpr std::uint64_t byte_pair_encoding = 2, user_defined = 4;
// sentencepiece finds all user defined pieces that begin at a place, and has room for 64: a text of that many
// characters has no more beginnings.
constexpr std::size_t longest_user_defined = 64;

struct Field {
    enum Kind : unsigned { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

    std::uint64_t number;
    unsigned kind;
    std::uint64_t value;    // of a varint
    std::string_view text;  // of all others
};

// The fields of a message, one after the other.
class Message {
public:
    Message(std::string_view rest, const std::string& source) : rest_(rest), source_(source) {}

    bool ended() const { return rest_.empty(); }

    Field next() {
        const std::uint64_t key = read_varint();
        Field field{key >> 3, static_cast<unsigned>(key & 7), 0, {}};
        switch (field.kind) {
            case Field::varint: field.value = read_varint(); break;
            case Field::fixed64: field.text = take(8); break;
            case Field::bytes: field.text = take(read_varint()); break;
            case Field::fixed32: field.text = take(4); break;
            default: refuse();
        }
        return field;
    }

private:
    // Seven bits a byte, the lowest first; the eighth says that another byte follows.
    std::uint64_t read_varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<std::uint8_t>(take(1)[0]);
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        refuse();
    }

    std::string_view take(std::uint64_t length) {
        if (length > rest_.size()) refuse();
        const std::string_view taken = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return taken;
    }

    [[noreturn]] void refuse() const { fail("{}: found bytes that are no sentencepiece model", source_); }

    std::string_view rest_;
    const std::string& source_;
};

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void require_piece(std::string_view bytes, std::size_t id, const std::string& source) {
    bool is_user_defined = false;
    std::size_t length = 0;
    for (Message piece(bytes, source); !piece.ended();) {
        const Field field = piece.next();
        if (field.number == 1 && field.kind == Field::bytes) {
            if (field.text.size() > longest_piece) {
                fail("{}: piece {} has {} bytes, expected at most {}", source, id, field.text.size(), longest_piece);
            }
            require_utf8(fmt::format("{}: piece {}", source, id), field.text);
            length = std::max(length, characters(field.text));
        }
        if (field.number == 3 && field.kind == Field::varint)
            is_user_defined = is_user_defined || field.value == user_defined;
        if (field.number == 2 && field.kind == Field::fixed32) {
            float score;
            std::memcpy(&score, field.text.data(), sizeof score);
            if (!std::isfinite(score)) fail("{}: piece {} has the score {}, expected a number", source, id, score);
        }
    }
    if (is_user_defined && length > longest_user_defined) {
        fail("{}: the user defined piece {} has {} characters, expected at most {}", source, id, length,
             longest_user_defined);
    }
}

// Whether this trainer_spec names byte-pair encoding; another kind is refused.
bool names_byte_pairs(std::string_view bytes, const std::string& source) {
    bool named = false;
    for (Message trainer(bytes, source); !trainer.ended();) {
        const Field field = trainer.next();
        if (field.number != 3 || field.kind != Field::varint) continue;
        if (field.value != byte_pair_encoding) {
            fail("{}: found the kind {} of tokenizer, expected {}, byte-pair encoding", source, field.value,
                 byte_pair_encoding);
        }
        named = true;
    }
    return named;
}

void require_no_table(std::string_view bytes, const std::string& source) {
    for (Message normalizer(bytes, source); !normalizer.ended();) {
        const Field field = normalizer.next();
        if (field.number == 2 && field.kind == Field::bytes && !field.text.empty()) {
            fail("{}: found a normalization table of {} bytes, expected none: Gemma keeps text as it is", source,
                 field.text.size());
        }
    }
}

}  // namespace

void require_tokenizer_file(std::string_view bytes, const std::string& source) {
    if (bytes.empty() || bytes.size() > largest_file) {
        fail("{}: found {} bytes that are no sentencepiece model", source, bytes.size());
    }
    std::size_t pieces = 0;
    bool is_byte_pairs = false;
    for (Message model(bytes, source); !model.ended();) {
        const Field field = model.next();
        if (field.kind != Field::bytes) continue;
        if (field.number == 1) require_piece(field.text, pieces++, source);
        if (field.number == 2) is_byte_pairs = names_byte_pairs(field.text, source) || is_byte_pairs;
        if (field.number == 3 || field.number == 5) require_no_table(field.text, source);
        if (pieces > most_pieces) fail("{}: found more than {} pieces", source, most_pieces);
    }
    if (!is_byte_pairs) fail("{}: found no kind of tokenizer, expected byte-pair encoding", source);
}

}  // namespace gemma
