// Byte-pair encoding: what a tokenizer like Gemma's learns from a corpus, and how it cuts a text with it.
//
//   learn    every word is a row of characters; join the commonest pair of neighbours everywhere; again and again
//   encode   a text is a row of characters; join the pair whose piece was learned first; until no pair makes a piece
//
// A New Algorithm for Data Compression (Gage 1994); for words: Sennrich, Haddow and Birch 2016, algorithm 1.
//
// The library leaves both to sentencepiece, which is fast. This is the plain form, to be read and watched.
#pragma once

#include "gemma/text/tokenizer.hpp"
#include "gemma/text/utf8.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bpe {

/// Two neighbours.
using Pair = std::pair<int, int>;

/// The piece that two neighbours make together. The lower its id, the earlier it was learned.
using Merges = std::map<Pair, int>;

// --- Learning --------------------------------------------------------------------------------------------------------

/// A word of a corpus: its pieces, and how often it stands there.
struct Word {
    std::vector<int> pieces;
    std::size_t count;
};

struct Corpus {
    std::vector<std::string> names;  // of the pieces, by id
    std::vector<Word> words;

    /// The id of a piece; a new one where it has none.
    int id(const std::string& name) {
        const auto place = std::find(names.begin(), names.end(), name) - names.begin();
        if (place == static_cast<std::ptrdiff_t>(names.size())) names.push_back(name);
        return static_cast<int>(place);
    }

    /// All pieces, each as often as it stands in the corpus.
    std::size_t length() const {
        std::size_t sum = 0;
        for (const Word& word : words) sum += word.count * word.pieces.size();
        return sum;
    }
};

struct PairCount {
    Pair pair;
    std::size_t count;
};

/// How often each pair of neighbours stands in the corpus, in the order in which they first occur.
inline std::vector<PairCount> count_pairs(const Corpus& corpus) {
    std::vector<PairCount> counts;
    for (const Word& word : corpus.words) {
        for (std::size_t i = 0; i + 1 < word.pieces.size(); ++i) {
            const Pair pair{word.pieces[i], word.pieces[i + 1]};
            const auto known =
                std::find_if(counts.begin(), counts.end(), [&](const PairCount& c) { return c.pair == pair; });
            if (known == counts.end()) {
                counts.push_back({pair, word.count});
            } else {
                known->count += word.count;
            }
        }
    }
    return counts;
}

/// The pieces with each occurrence of a pair, from the left, joined.
inline std::vector<int> join(const std::vector<int>& pieces, Pair pair, int joined) {
    std::vector<int> after;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const bool here = i + 1 < pieces.size() && pieces[i] == pair.first && pieces[i + 1] == pair.second;
        after.push_back(here ? joined : pieces[i]);
        if (here) ++i;
    }
    return after;
}

struct Learned {
    Pair pair;
    std::size_t count;   // of the pair
    int piece;           // its new id
    std::size_t length;  // of the corpus, afterwards
};

/// One step: the commonest pair (the first of equals) becomes a piece, everywhere.
inline Learned learn_piece(Corpus& corpus) {
    const std::vector<PairCount> counts = count_pairs(corpus);
    const PairCount best = *std::max_element(counts.begin(), counts.end(),
                                             [](const PairCount& a, const PairCount& b) { return a.count < b.count; });
    const auto [left, right] = best.pair;
    const int piece = corpus.id(corpus.names[left] + corpus.names[right]);
    for (Word& word : corpus.words) word.pieces = join(word.pieces, best.pair, piece);
    return {best.pair, best.count, piece, corpus.length()};
}

// --- Encoding --------------------------------------------------------------------------------------------------------

/// For each pair of neighbours the piece that they make; 0 where they make none.
inline std::vector<int> candidates(const std::vector<int>& pieces, const Merges& merges) {
    std::vector<int> made;
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
        const auto merge = merges.find({pieces[i], pieces[i + 1]});
        made.push_back(merge == merges.end() ? 0 : merge->second);
    }
    return made;
}

/// The pieces at the start and after each merge; the last are the tokens.
inline std::vector<std::vector<int>> encode(const std::vector<int>& characters, const Merges& merges) {
    std::vector<std::vector<int>> stages = {characters};
    while (true) {
        std::vector<int> pieces = stages.back();
        const std::vector<int> made = candidates(pieces, merges);
        std::size_t first_learned = made.size();
        for (std::size_t i = 0; i < made.size(); ++i) {
            if (made[i] != 0 && (first_learned == made.size() || made[i] < made[first_learned])) first_learned = i;
        }
        if (first_learned == made.size()) return stages;
        pieces[first_learned] = made[first_learned];
        pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(first_learned) + 1);
        stages.push_back(std::move(pieces));
    }
}

// --- The vocabulary of a real tokenizer ------------------------------------------------------------------------------

/// The characters of a text in UTF-8, with "▁" for each space, as sentencepiece writes it.
inline std::vector<std::string> characters_of(std::string_view text) {
    std::vector<std::string> characters;
    while (!text.empty()) {
        const std::size_t length = gemma::first_character(text).length;
        characters.emplace_back(text[0] == ' ' ? "▁" : text.substr(0, length));
        text.remove_prefix(length);
    }
    return characters;
}

/// The pieces that a tokenizer learned, as merges. A sentencepiece model lists its pieces in the order of learning, so
/// that the vocabulary is the list of merges: two pieces may be joined when what they make is a piece.
class Vocabulary {
public:
    explicit Vocabulary(const gemma::Tokenizer& tokenizer) {
        for (int id = gemma::SpecialTokens::end_of_turn + 1; id < static_cast<int>(tokenizer.vocab_size()); ++id) {
            const std::string piece = tokenizer.piece(id);
            const bool byte = piece.size() == 6 && piece.substr(0, 3) == "<0x";
            if (!byte && piece.find('\n') == piece.npos) ids_[piece] = id;
        }
        for (const auto& [piece, id] : ids_) add_merges(piece, id);
    }

    const Merges& merges() const { return merges_; }

    /// The characters of a text as ids; a character without a piece of its own is unk.
    std::vector<int> characters(std::string_view text) const {
        std::vector<int> ids;
        for (const std::string& character : characters_of(text)) {
            const auto found = ids_.find(character);
            ids.push_back(found == ids_.end() ? gemma::SpecialTokens::unk : found->second);
        }
        return ids;
    }

private:
    // Every way to cut a piece into two pieces.
    void add_merges(const std::string& piece, int id) {
        for (std::size_t cut = 1; cut < piece.size(); ++cut) {
            const auto left = ids_.find(piece.substr(0, cut)), right = ids_.find(piece.substr(cut));
            if (left != ids_.end() && right != ids_.end()) merges_[{left->second, right->second}] = id;
        }
    }

    std::map<std::string, int> ids_;
    Merges merges_;
};

}  // namespace bpe
