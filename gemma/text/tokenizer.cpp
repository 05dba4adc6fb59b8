#include "gemma/text/tokenizer.hpp"

#include "gemma/checkpoint/mapped_file.hpp"
#include "gemma/error.hpp"
#include "gemma/text/tokenizer_file.hpp"
#include "gemma/text/utf8.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

namespace gemma {

struct Tokenizer::Implementation {
    sentencepiece::SentencePieceProcessor processor;
    std::vector<std::string> control_names;  // those that sentencepiece would find in a text
};

namespace {

using Processor = sentencepiece::SentencePieceProcessor;

constexpr std::string_view space_mark = "\xE2\x96\x81";  // "▁", U+2581: a space inside a piece

void load(Processor& processor, const std::filesystem::path& file) {
    const MappedFile content(file);
    // A copy: what is looked through is what sentencepiece gets, whatever becomes of the file meanwhile.
    const std::string model(reinterpret_cast<const char*>(content.data()), content.size());
    require_tokenizer_file(model, file.string());
    try {
        if (processor.LoadFromSerializedProto(model).ok()) return;
    } catch (const std::exception&) {  // of the trie that it builds, for pieces that cannot be in one
    }
    fail("{}: found {} bytes that are no sentencepiece model", file.string(), model.size());
}

void require_id(const std::filesystem::path& file, std::string_view what, int found, int expected) {
    if (found != expected) fail("{}: found {} at id {}, expected it at {}", file.string(), what, found, expected);
}

void require_special_tokens(const Processor& processor, const std::filesystem::path& file) {
    require_id(file, "the padding token", processor.pad_id(), SpecialTokens::pad);
    require_id(file, "the end of a text", processor.eos_id(), SpecialTokens::eos);
    require_id(file, "the beginning of a text", processor.bos_id(), SpecialTokens::bos);
    require_id(file, "the unknown token", processor.unk_id(), SpecialTokens::unk);
    require_id(file, "<start_of_turn>", processor.PieceToId("<start_of_turn>"), SpecialTokens::start_of_turn);
    require_id(file, "<end_of_turn>", processor.PieceToId("<end_of_turn>"), SpecialTokens::end_of_turn);
}

// Spaces at both ends, several in a row, a tab, line ends, and a character that no vocabulary has (a noncharacter).
void require_text_kept(const Tokenizer& tokenizer, const std::filesystem::path& file) {
    const std::string probe = "  a\t \xEF\xAC\x81\r\n\n\xF4\x8F\xBF\xBF ";
    if (tokenizer.decode(tokenizer.encode(probe)) != probe) {
        fail("{}: found a tokenizer that changes text, expected one that gives it back as it was", file.string());
    }
}

// Where `text` must be cut so that no part of it holds a control token's name: after the first character of each.
std::vector<std::size_t> cuts_inside(std::string_view text, const std::vector<std::string>& names) {
    std::vector<std::size_t> cuts;
    for (const std::string& name : names) {
        for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) cuts.push_back(at + 1);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.push_back(text.size());
    return cuts;
}

void append_tokens(const Processor& processor, std::string_view text, std::vector<int>& tokens) {
    std::vector<int> part;
    const auto status = processor.Encode({text.data(), text.size()}, &part);
    if (!status.ok()) fail("a text of {} bytes cannot be encoded: {}", text.size(), status.error_message());
    tokens.insert(tokens.end(), part.begin(), part.end());
}

// "<0xE2>" is the byte 0xE2.
char byte_of(const std::string& piece) { return static_cast<char>(std::strtol(piece.c_str() + 1, nullptr, 16)); }

std::string with_spaces(const std::string& piece) {
    std::string text;
    std::size_t from = 0;
    for (std::size_t at; (at = piece.find(space_mark, from)) != piece.npos; from = at + space_mark.size()) {
        text.append(piece, from, at - from).push_back(' ');
    }
    return text.append(piece, from);
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& file) : implementation_(std::make_unique<Implementation>()) {
    Processor& processor = implementation_->processor;
    load(processor, file);
    require_special_tokens(processor, file);
    for (int id = SpecialTokens::unk + 1; id <= SpecialTokens::end_of_turn; ++id) {
        implementation_->control_names.push_back(processor.IdToPiece(id));
    }
    require_text_kept(*this, file);
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<int> Tokenizer::encode(std::string_view text) const {
    require_utf8("the text", text);
    std::vector<int> tokens;
    std::size_t from = 0;
    for (const std::size_t to : cuts_inside(text, implementation_->control_names)) {
        append_tokens(implementation_->processor, text.substr(from, to - from), tokens);
        from = to;
    }
    return tokens;
}

std::vector<int> Tokenizer::encode_prompt(std::string_view text) const {
    std::vector<int> tokens = encode(text);
    tokens.insert(tokens.begin(), SpecialTokens::bos);
    return tokens;
}

std::string Tokenizer::decode(const std::vector<int>& tokens) const {
    std::string all;
    for (const int token : tokens) all += bytes(token);
    return valid_utf8(std::move(all));
}

std::string Tokenizer::bytes(int token) const {
    const std::string name = piece(token);
    if (token <= SpecialTokens::end_of_turn) return "";
    if (implementation_->processor.IsByte(token)) return std::string(1, byte_of(name));
    return with_spaces(name);
}

std::string Tokenizer::piece(int token) const {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_size()) {
        fail("token {} is not in the tokenizer, expected 0 to {}", token, vocab_size() - 1);
    }
    return implementation_->processor.IdToPiece(token);
}

std::size_t Tokenizer::vocab_size() const {
    return static_cast<std::size_t>(implementation_->processor.GetPieceSize());
}

}  // namespace gemma
