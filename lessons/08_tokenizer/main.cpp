// Lesson 08: text becomes tokens, and what the first token of all is worth.

#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/text/text_stream.hpp"
#include "lessons/08_tokenizer/bpe.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using gemma::SpecialTokens;
using gemma::Tokenizer;
using lesson::Lesson;

std::string sentence = "Anna has 12 apples. Now the ball belongs to Tom.";

// Stories of the small model's world that it has never read.
std::vector<std::string> held_out_stories(std::size_t count) {
    const std::filesystem::path path =
        std::filesystem::path(GEMMA_LESSON) / "../../tests/fixtures/nano/questions.jsonl";
    std::ifstream file(path);
    std::vector<std::string> stories;
    for (std::string line; stories.size() < count && std::getline(file, line);) {
        stories.push_back(gemma::parse_json_object(line, path.string()).at("story"));
    }
    if (stories.size() < count) gemma::fail("{}: found {} stories, expected {}", path.string(), stories.size(), count);
    return stories;
}

// Line ends as one writes them in C++.
std::string visible(const std::string& text) {
    std::string shown;
    for (const char c : text) shown += c == '\n' ? std::string("\\n") : std::string(1, c);
    return shown;
}

std::string pieces_of(const Tokenizer& tokenizer, const std::vector<int>& tokens) {
    std::string text;
    for (const int token : tokens) text += (text.empty() ? "" : "  ") + visible(tokenizer.piece(token));
    return text;
}

// --- 1 to 3: pieces --------------------------------------------------------------------------------------------------

void show_sentence(Lesson& lesson) {
    lesson.step("A sentence in pieces");
    const Tokenizer& tokenizer = lesson.tokenizer();
    const std::vector<int> tokens = tokenizer.encode(sentence);
    std::string pieces, ids;
    for (const int token : tokens) {
        const std::string piece = visible(tokenizer.piece(token)), id = std::to_string(token);
        const std::size_t width = std::max(viz::width_of(piece), id.size()) + 2;
        if (viz::width_of(pieces) + width > 96) {
            lesson.line(pieces);
            lesson.line(lesson.console().dim(std::exchange(ids, "")) + "\n");
            pieces.clear();
        }
        pieces += viz::padded(piece, width);
        ids += viz::padded(id, width);
    }
    lesson.line(pieces);
    lesson.line(lesson.console().dim(ids) + "\n");
    lesson.text(fmt::format("{} bytes, {} characters, {} tokens: {:.2f} bytes a token.", sentence.size(),
                            viz::width_of(sentence), tokens.size(),
                            static_cast<double>(sentence.size()) / static_cast<double>(tokens.size())));
    lesson.notice(
        "A token is a common piece of text, with a number. The model sees the numbers only. ▁ is a space, and it "
        "belongs to the word behind it. Each digit stands alone.");
}

// The corpus of Sennrich, Haddow and Birch 2016, algorithm 1. </w> ends a word.
bpe::Corpus paper_corpus() {
    bpe::Corpus corpus;
    const std::vector<std::pair<std::string, std::size_t>> words = {
        {"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}};
    for (const auto& [word, count] : words) {
        bpe::Word row{{}, count};
        for (const char letter : word) row.pieces.push_back(corpus.id(std::string(1, letter)));
        row.pieces.push_back(corpus.id("</w>"));
        corpus.words.push_back(row);
    }
    return corpus;
}

std::string names_of(const bpe::Corpus& corpus, const std::vector<int>& pieces) {
    std::string text;
    for (const int piece : pieces) text += (text.empty() ? "" : "  ") + corpus.names[static_cast<std::size_t>(piece)];
    return text;
}

bpe::Merges show_learning(Lesson& lesson, bpe::Corpus& corpus) {
    lesson.step("How pieces are found: the commonest pair becomes one, again and again");
    lesson.text(
        "Byte-pair encoding, on the corpus of the paper that brought it to words (Sennrich, Haddow and Birch 2016, "
        "algorithm 1): low 5 times, lower twice, newest 6 times, widest 3 times. </w> ends a word. At first each "
        "character is a piece.");
    // What the paper's own Python program prints for its corpus.
    const std::vector<std::string> paper = {"es", "est", "est</w>",    "lo",      "low",
                                            "ne", "new", "newest</w>", "low</w>", "wi"};
    viz::Table table{{"step", "left", "right", "how often", "new piece", "pieces in the corpus"}, {}};
    table.rows.push_back({"0", "", "", "", "", std::to_string(corpus.length())});
    viz::Series lengths{"pieces in the corpus", {0}, {static_cast<double>(corpus.length())}};
    bpe::Merges merges;
    std::size_t as_in_paper = 0;
    for (std::size_t step = 1; step <= paper.size(); ++step) {
        const bpe::Learned learned = bpe::learn_piece(corpus);
        const auto name = [&](int piece) { return corpus.names[static_cast<std::size_t>(piece)]; };
        merges[learned.pair] = learned.piece;
        as_in_paper += name(learned.piece) == paper[step - 1] ? 1 : 0;
        table.rows.push_back({std::to_string(step), name(learned.pair.first), name(learned.pair.second),
                              std::to_string(learned.count), name(learned.piece), std::to_string(learned.length)});
        lengths.x.push_back(static_cast<double>(step));
        lengths.y.push_back(static_cast<double>(learned.length));
    }
    lesson.table(table);
    lesson.notice(
        "After ten steps the commonest word, newest, is one piece. Rare words stay in parts. That is the whole idea: "
        "common text is short, and nothing is impossible to write.");
    lesson.figure(
        "merges",
        viz::Chart{"Each merge shortens the corpus", {"merges"}, {"pieces in the corpus", false, 0.0}, {lengths}},
        "The corpus of the paper, in pieces, after each merge.");
    lesson.check("ten merges, as the paper's program makes them", static_cast<double>(paper.size() - as_in_paper), 0,
                 "Sennrich et al. 2016");
    return merges;
}

void show_unseen_word(Lesson& lesson, bpe::Corpus& corpus, const bpe::Merges& merges) {
    lesson.step("A word that was not in the corpus");
    lesson.text(
        "To encode, join the pair whose piece was learned first; again, until no pair makes a piece. \"lowest\" was "
        "never seen, its parts were:");
    std::vector<int> characters;
    for (const char letter : std::string("lowest")) characters.push_back(corpus.id(std::string(1, letter)));
    characters.push_back(corpus.id("</w>"));
    viz::Table table{{"merges", "pieces"}, {}};
    const auto stages = bpe::encode(characters, merges);
    for (std::size_t i = 0; i < stages.size(); ++i) {
        table.rows.push_back({std::to_string(i), names_of(corpus, stages[i])});
    }
    lesson.table(table);
    lesson.check("\"lowest\" is low + est</w>", names_of(corpus, stages.back()) == "low  est</w>", "by hand");
}

void show_vocabulary(Lesson& lesson, const std::vector<std::string>& stories) {
    lesson.step("The same with this model's own vocabulary");
    const Tokenizer& tokenizer = lesson.tokenizer();
    const bpe::Vocabulary vocabulary(tokenizer);
    lesson.text(
        "A sentencepiece model stores its pieces in the order in which they were learned, so the vocabulary is the "
        "list of merges: of all pairs, the one whose piece has the lowest id is joined first.");
    viz::Table table{{"joined", "id", "pieces"}, {}};
    std::vector<int> before;
    for (const std::vector<int>& stage : bpe::encode(vocabulary.characters(" belongs"), vocabulary.merges())) {
        const auto changed = std::mismatch(stage.begin(), stage.end(), before.begin(), before.end()).first;
        const bool first = before.empty();
        table.rows.push_back({first ? "" : tokenizer.piece(*changed), first ? "" : std::to_string(*changed),
                              pieces_of(tokenizer, stage)});
        before = stage;
    }
    lesson.table(table);
    const auto differs = [&](const std::string& story) {
        return bpe::encode(vocabulary.characters(story), vocabulary.merges()).back() != tokenizer.encode(story);
    };
    const auto different = std::count_if(stories.begin(), stories.end(), differs);
    lesson.notice(fmt::format("In this way {} whole stories are cut; {} of them otherwise than sentencepiece does it.",
                              stories.size(), different));
    lesson.check(fmt::format("{} stories cut merge by merge: other tokens", stories.size()),
                 static_cast<double>(different), 0, "sentencepiece");
}

// --- 4 to 6: what is special -----------------------------------------------------------------------------------------

// How many of the 256 bytes have a token that decodes to them.
int right_byte_tokens(const Tokenizer& tokenizer) {
    int right = 0;
    for (int id = 0; id < static_cast<int>(tokenizer.vocab_size()); ++id) {
        const bool next = right < 256 && tokenizer.piece(id) == fmt::format("<0x{:02X}>", right);
        if (next && tokenizer.bytes(id) == std::string(1, static_cast<char>(right))) ++right;
    }
    return right;
}

void show_bytes(Lesson& lesson) {
    lesson.step("What no piece covers: bytes");
    const Tokenizer& tokenizer = lesson.tokenizer();
    lesson.text(
        "256 tokens stand for the 256 bytes. A character without a piece of its own becomes the bytes of its UTF-8, so "
        "there is no text that the model cannot read or write.");
    viz::Table table{{"bytes", "tokens", "pieces", "text and back"}, {}};
    for (const char* const text : {"é", "日本", "🙂", "naïve"}) {
        const std::vector<int> tokens = tokenizer.encode(text);
        table.rows.push_back({std::to_string(std::string(text).size()), std::to_string(tokens.size()),
                              pieces_of(tokenizer, tokens), fmt::format("{} {}", text, tokenizer.decode(tokens))});
    }
    lesson.table(table);
    lesson.text("Such a token is a part of a character. A program that prints tokens as they come must wait:");
    gemma::TextStream stream(tokenizer);
    viz::Table waiting{{"token", "comes out"}, {}};
    for (const int token : tokenizer.encode("a🙂b")) {
        waiting.rows.push_back({tokenizer.piece(token), stream.add(token)});
    }
    lesson.table(waiting);
    lesson.check("byte tokens that stand for their byte, of 256: missing", 256.0 - right_byte_tokens(tokenizer), 0,
                 "closed form");
}

void show_spaces(Lesson& lesson) {
    lesson.step("Spaces, line ends, digits");
    const Tokenizer& tokenizer = lesson.tokenizer();
    viz::Table table{{"text", "tokens", "pieces", "ids"}, {}};
    for (const char* const text :
         {"ball", " ball", "Ball", "a  b", "a   b", " ", "a\nb", "a\n\nb", "12", "2024", "3.14"}) {
        const std::vector<int> tokens = tokenizer.encode(text);
        table.rows.push_back({"\"" + visible(text) + "\"", std::to_string(tokens.size()), pieces_of(tokenizer, tokens),
                              fmt::format("{}", fmt::join(tokens, " "))});
    }
    lesson.table(table);
    lesson.notice(
        "A word behind a space, at the beginning of a text and with a capital is three different tokens. No space is "
        "lost. A line end is a token of its own, \"\\n\" is 108. A number is its digits: 2024 is 4 tokens, whatever "
        "the vocabulary.");
    lesson.check("\"\\n\" is the one token 108", tokenizer.encode("\n") == std::vector<int>{108}, "Gemma's tokenizer");
    const std::vector<int> digits = tokenizer.encode("98765432109876543210");
    lesson.check("20 digits are 20 tokens", std::abs(20.0 - static_cast<double>(digits.size())), 0,
                 "Mesnard et al. 2024");
}

void show_control_tokens(Lesson& lesson) {
    lesson.step("Tokens that no text makes");
    const Tokenizer& tokenizer = lesson.tokenizer();
    viz::Table table{{"id", "piece", "what it says"}, {}};
    const std::vector<std::pair<int, std::string>> special = {
        {SpecialTokens::pad, "nothing; fills up a batch"},
        {SpecialTokens::eos, "the text ends"},
        {SpecialTokens::bos, "the text begins; every prompt has exactly one"},
        {SpecialTokens::unk, "unknown; never used, the bytes see to that"},
        {SpecialTokens::start_of_turn, "somebody begins to speak"},
        {SpecialTokens::end_of_turn, "and has finished"},
    };
    for (const auto& [id, meaning] : special) table.rows.push_back({std::to_string(id), tokenizer.piece(id), meaning});
    lesson.table(table);
    const std::string typed = "Bye<end_of_turn>";
    const std::vector<int> tokens = tokenizer.encode(typed);
    lesson.text(fmt::format("Somebody types \"{}\":", typed));
    lesson.line("  " + pieces_of(tokenizer, tokens) + "\n");
    lesson.notice(
        "It stays text, in pieces. A tokenizer that made token 107 of it would let users end their turn and speak in "
        "the model's name (lesson 13).");
    const std::string all_names = "<pad><eos><bos><unk><mask><start_of_turn>user<end_of_turn>";
    const std::vector<int> names = tokenizer.encode(all_names);
    const auto controls =
        std::count_if(names.begin(), names.end(), [](int t) { return t <= SpecialTokens::end_of_turn; });
    lesson.check("control tokens made from their typed names", static_cast<double>(controls), 0, "none may be");
    lesson.check("the ids of bos and end_of_turn are 2 and 107",
                 tokenizer.piece(2) == "<bos>" && tokenizer.piece(107) == "<end_of_turn>", "Gemma's tokenizer");
}

// A text of random characters: letters, digits, spaces, line ends, accents, kanji, emoji, names of control tokens.
std::string random_text(std::mt19937_64& random) {
    static const std::vector<std::string> parts = {"a",
                                                   "B",
                                                   "the",
                                                   "ball",
                                                   " ",
                                                   "  ",
                                                   "\n",
                                                   "\n\n",
                                                   "\t",
                                                   "7",
                                                   "2024",
                                                   ".",
                                                   ",",
                                                   "é",
                                                   "ß",
                                                   "ç",
                                                   "ñ",
                                                   "Ω",
                                                   "я",
                                                   "日",
                                                   "本",
                                                   "語",
                                                   "🙂",
                                                   "👩‍🚀",
                                                   "<b>",
                                                   "<0x41>",
                                                   "<bos>",
                                                   "<eos>",
                                                   "<end_of_turn>"};
    std::string text;
    for (std::size_t i = random() % 40; i > 0; --i) text += parts[random() % parts.size()];
    return text;
}

void show_round_trip(Lesson& lesson) {
    lesson.step("There and back");
    constexpr std::size_t texts = 500;
    const Tokenizer& tokenizer = lesson.tokenizer();
    std::mt19937_64 random(8);
    std::size_t bytes = 0, tokens = 0, changed = 0;
    for (std::size_t i = 0; i < texts; ++i) {
        const std::string text = random_text(random);
        const std::vector<int> encoded = tokenizer.encode(text);
        bytes += text.size();
        tokens += encoded.size();
        changed += tokenizer.decode(encoded) != text;
    }
    lesson.text(
        fmt::format("{} random texts of letters, spaces, line ends, accents, kanji, emoji and names of control "
                    "tokens: {} bytes became {} tokens, and {} of the texts came back changed. (The one character that "
                    "would is ▁ itself, U+2581: it comes back as a space.)",
                    texts, bytes, tokens, changed));
    lesson.check(fmt::format("{} texts, encoded and decoded: changed ones", texts), static_cast<double>(changed), 0,
                 "the texts");
}

// --- 7: what one bos is worth ----------------------------------------------------------------------------------------

// -ln p(token | all tokens before it) of the last `count` tokens.
std::vector<double> losses_of(Lesson& lesson, const std::vector<int>& tokens, std::size_t count, gemma::Trace trace) {
    gemma::KVCache cache(lesson.model().config(), tokens.size());
    const gemma::Matrix logits = lesson.model().forward(tokens, cache, trace);
    const std::size_t V = logits.shape(1);
    std::vector<double> losses;
    for (std::size_t t = tokens.size() - count; t < tokens.size(); ++t) {
        const float* const row = &logits(t - 1, 0);  // what the tokens up to t - 1 say about token t
        const double largest = *std::max_element(row, row + V);
        double sum = 0;
        for (std::size_t i = 0; i < V; ++i) sum += std::exp(row[i] - largest);
        losses.push_back(std::log(sum) + largest - row[tokens[t]]);
    }
    return losses;
}

double mean(const std::vector<double>& numbers, std::size_t count) {
    return std::accumulate(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(count), 0.0) /
           static_cast<double>(count);
}

constexpr std::size_t beginning = 8;                  // tokens
using Losses = std::array<std::array<double, 2>, 3>;  // with 0, 1, 2 bos: of the beginning, of the whole story

Losses bos_losses(Lesson& lesson, const std::string& story, gemma::Trace trace) {
    std::vector<int> tokens = lesson.tokenizer().encode(story);
    const std::size_t count = tokens.size() - 1;  // without bos nothing comes before the first: it does not count
    Losses losses;
    for (std::size_t bos = 0; bos < losses.size(); ++bos) {
        const std::vector<double> each = losses_of(lesson, tokens, count, bos == 1 ? trace : gemma::Trace());
        losses[bos] = {mean(each, beginning), mean(each, count)};
        tokens.insert(tokens.begin(), SpecialTokens::bos);
    }
    return losses;
}

std::vector<std::string> row_of(const std::string& name, const Losses& losses) {
    std::vector<std::string> row = {name};
    for (std::size_t part = 0; part < 2; ++part) {
        for (const auto& of_bos : losses) row.push_back(fmt::format("{:.3f}", of_bos[part]));
    }
    return row;
}

// The mean loss with one bos.
double show_bos(Lesson& lesson, const std::vector<std::string>& stories) {
    lesson.step("What one <bos> is worth");
    lesson.formula("loss = mean of -ln p(token | all tokens before it)        in nats; perplexity = exp(loss)");
    lesson.text(fmt::format(
        "The same tokens are predicted each time: all of a story but its first. Only what stands before the story "
        "differs. Left: the mean of the first {} of them. Right: of the whole story.",
        beginning));
    viz::Table table{{"story", "no bos", "one", "two", "no bos, whole", "one", "two"}, {}};
    Losses mean_of = {};
    for (std::size_t i = 0; i < stories.size(); ++i) {
        const Losses losses = bos_losses(lesson, stories[i], i == 0 ? lesson.trace() : gemma::Trace());
        table.rows.push_back(row_of(stories[i].substr(0, 30) + "…", losses));
        for (std::size_t bos = 0; bos < 3; ++bos) {
            for (std::size_t part = 0; part < 2; ++part) {
                mean_of[bos][part] += losses[bos][part] / static_cast<double>(stories.size());
            }
        }
    }
    table.rows.push_back(row_of("mean", mean_of));
    lesson.table(table);
    lesson.traced(stories.front(), lesson.tokenizer().encode_prompt(stories.front()));
    lesson.notice(fmt::format(
        "Without <bos> the beginning of a text costs {:.3f} nats more a token, the whole text {:.3f}. The model never "
        "saw a text without it, and it says something: here a text begins.",
        mean_of[0][0] - mean_of[1][0], mean_of[0][1] - mean_of[1][1]));
    viz::BarChart chart;
    chart.title = "Loss a token at the beginning of a story";
    chart.value.label = "nats a token";
    chart.bars = {{"no bos", mean_of[0][0]}, {"one bos", mean_of[1][0]}, {"two bos", mean_of[2][0]}};
    lesson.figure("bos", chart,
                  fmt::format("The mean over the first {} tokens of {} stories.", beginning, stories.size()));
    lesson.line("Gemma 7B on LAMBADA, measured with EleutherAI's lm-evaluation-harness (pull request 1465, 2024):\n");
    lesson.table({{"", "perplexity", "accuracy"}, {{"no bos", "5.9e9", "0.0037"}, {"one bos", "3.46", "0.6707"}}});
    lesson.check("one bos lowers the mean loss of the beginnings", mean_of[1][0] < mean_of[0][0], "no bos");
    lesson.check("one bos lowers the mean loss of the stories", mean_of[1][1] < mean_of[0][1], "no bos");
    return mean_of[1][1];
}

// --- 8: how large a vocabulary ---------------------------------------------------------------------------------------

void show_vocabulary_size(Lesson& lesson, const std::vector<std::string>& stories, double loss) {
    lesson.step("How large a vocabulary?");
    const Tokenizer& tokenizer = lesson.tokenizer();
    const std::vector<std::pair<std::string, std::string>> texts = {
        {"a story of nano's world", stories.front()},
        {"a novel (Austen 1813)",
         "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want "
         "of a wife."},
        {"Portuguese", "A raposa marrom rápida pula sobre o cachorro preguiçoso."},
        {"C++", "for (std::size_t i = 0; i < tokens.size(); ++i) sum += tokens[i];"},
        {"Japanese", "素早い茶色の狐がのろまな犬を飛び越える"},
    };
    viz::Table table{{"text", "bytes", "tokens", "bytes a token"}, {}};
    for (const auto& [name, text] : texts) {
        const double bytes = static_cast<double>(text.size()),
                     tokens = static_cast<double>(tokenizer.encode(text).size());
        table.rows.push_back(
            {name, fmt::format("{}", bytes), fmt::format("{}", tokens), fmt::format("{:.2f}", bytes / tokens)});
    }
    lesson.table(table);
    viz::Table sizes{{"", "vocabulary V", "ln V", "log2 V", "embedding V·D", "context"}, {}};
    const auto add = [&](const std::string& name, const gemma::Config& config) {
        const std::size_t V = config.vocab_size;
        sizes.rows.push_back({name, std::to_string(V), fmt::format("{:.4f}", std::log(V)),
                              fmt::format("{:.4f}", std::log2(V)), std::to_string(V * config.hidden_size),
                              std::to_string(config.max_position_embeddings)});
    };
    const std::string here = lesson.embedded_model() ? "nano" : "this model";
    add(here, lesson.model().config());
    add("Gemma 2B", gemma::gemma_2b());
    lesson.table(sizes);
    double bytes = 0, tokens = 0;
    for (const std::string& story : stories) {
        bytes += static_cast<double>(story.size());
        tokens += static_cast<double>(tokenizer.encode(story).size());
    }
    lesson.text(fmt::format(
        "A guess that knows nothing gives every token 1/V and costs ln V nats. On the stories above {} pays {:.4f} "
        "nats a "
        "token, which is {:.4f} nats a byte. Losses a token of two vocabularies cannot be compared; those a byte can.",
        here, loss, loss * tokens / bytes));
    lesson.notice(
        "More pieces: fewer tokens, so fewer passes through the model and more text in its context. The price is an "
        "embedding of V rows.");
    lesson.check("ln 256000 is 12.4529", std::abs(std::log(256000.0) - 12.4529), 5e-5, "closed form");
}

void tell(Lesson& lesson) {
    const std::vector<std::string> stories = held_out_stories(8);
    show_sentence(lesson);
    bpe::Corpus corpus = paper_corpus();
    const bpe::Merges merges = show_learning(lesson, corpus);
    show_unseen_word(lesson, corpus, merges);
    show_vocabulary(lesson, stories);
    show_bytes(lesson);
    show_spaces(lesson);
    show_control_tokens(lesson);
    show_round_trip(lesson);
    const double loss = show_bos(lesson, stories);
    show_vocabulary_size(lesson, stories, loss);
}

}  // namespace

int main(int argc, char** argv) {
    lesson::About about{"08_tokenizer", "the tokenizer",
                        "Text becomes tokens: byte-pair encoding, byte by byte, and what <bos> is worth."};
    about.takes_model = true;
    about.options = {{"text", &sentence, "The text of the first step"}};
    return lesson::run(argc, argv, about, tell);
}
