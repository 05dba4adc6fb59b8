// tokenizer.model. The first byte of an input says whether the rest is a whole file, or fields that come behind those
// of a good one, which replace its settings and add pieces.
#include "gemma/text/tokenizer.hpp"
#include "gemma/text/utf8.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/fuzz/tokenizer_model.hpp"

namespace {

using namespace gemma;

void read(const std::string& input) {
    static fuzz::MemoryFile file;
    if (input.empty()) return;
    const std::string rest = input.substr(1);
    const std::string& path = file.with(input[0] == 'w' ? rest : fuzz::good_tokenizer() + rest);
    fuzz::taken([&] {
        const Tokenizer tokenizer(path);
        const std::string text = "  the a<end_of_turn>the\n\n<0x0A> \xE2\x96\x81\xF0\x9F\x99\x82 12 ";
        for (const std::string& part : {text, text + text, rest, std::string(200, 'a')}) {
            if (valid_utf8(part) != part) continue;
            for (const int token : tokenizer.encode(part)) {
                const std::string piece = tokenizer.piece(token);
                fuzz::require(token > SpecialTokens::end_of_turn, "no control token is made from a text");
                fuzz::require(valid_utf8(piece) == piece, "a piece is UTF-8");
                tokenizer.bytes(token);
            }
        }
        std::vector<int> all;
        for (std::size_t id = 0; id < tokenizer.vocab_size(); ++id) all.push_back(static_cast<int>(id));
        const std::string decoded = tokenizer.decode(all);
        fuzz::require(valid_utf8(decoded) == decoded, "decoded text is UTF-8");
    });
}

// Pieces "a", "aa", "aaa", ..., all of which begin a text of many a.
std::string growing(std::size_t longest, std::uint64_t type) {
    std::string pieces;
    for (std::size_t length = 2; length <= longest; ++length) pieces += fuzz::piece(std::string(length, 'a'), -1, type);
    return pieces;
}

std::vector<std::string> seeds() {
    using fuzz::field;
    const std::string table = field(3, field(2, std::string("\x08\0\0\0abcdefgh", 12)));
    return {"w" + fuzz::good_tokenizer(),
            "+",
            "+" + fuzz::piece("th", -1, 1) + fuzz::piece("the", -2, 1) + fuzz::piece("\xE2\x96\x81the", -3, 1),
            "+" + fuzz::piece("12", -1, 4) + fuzz::piece("<x>", -2, 3) + fuzz::piece("aa", -3, 5),  // all the types
            "+" + growing(60, 4),
            "+" + growing(70, 4),
            "+" + growing(30, 5),
            "+" + table,
            "+" + field(2, fuzz::setting(3, 1)) + fuzz::piece("th", 0.5f, 1),  // another kind
            "+" + field(2, fuzz::setting(35, 0)) + field(3, fuzz::setting(3, 1) + fuzz::setting(5, 0)),
            "w" + fuzz::piece("<pad>", 0, 3)};
}

const fuzz::Register target({"tokenizer", read, seeds});

}  // namespace
